package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func (s Subject) access(t fataler, id string) store.AccessToken {
	t.Helper()
	return must(s.Access.Create(t.Context(), store.AccessToken{
		ID: id, Name: "deploy", Role: "member", Team: "payments", ReadOnly: true, Source: "payments", Author: "olga",
		Expires: s.Clock.Now().Add(time.Hour),
	}, secret('s')))(t)
}

func accessComeBack(t *testing.T, s Subject) {
	ctx := t.Context()
	made := s.access(t, "a1")
	equal(t, "created", made.Created, s.Clock.Now())
	got, hash, err := s.Access.Find(ctx, "a1")
	done(t, err)
	equal(t, "found", got, made)
	if !hash.Matches(secret('s')) || hash.Matches(secret('x')) || hash.Matches(nil) {
		t.Errorf("the hash does not know its secret")
	}
	s.Clock.Advance(time.Minute)
	made.Used = s.Clock.Now()
	done(t, s.Access.Touch(ctx, "a1", made.Used))
	done(t, s.Access.Touch(ctx, "a1", made.Used.Add(-time.Second))) // Another replica was later.
	second := s.access(t, "a2")
	equal(t, "list", must(s.Access.List(ctx))(t), []store.AccessToken{second, made})
	equal(t, "forgotten too early", must(s.Access.Forget(ctx, s.Clock.Now()))(t), 0)
	done(t, s.Access.Revoke(ctx, "a2"))
	s.Clock.Advance(2 * time.Hour)
	equal(t, "forgotten", must(s.Access.Forget(ctx, s.Clock.Now()))(t), 2)
}

func accessRefused(t *testing.T, s Subject) {
	ctx := t.Context()
	_, _, err := s.Access.Find(ctx, "none")
	is(t, "finding one that is not", err, store.ErrNotFound)
	is(t, "revoking one that is not", s.Access.Revoke(ctx, "none"), store.ErrNotFound)
	made := s.access(t, "a1")
	is(t, "the same id", failure(s.Access.Create(ctx, made, secret('y'))), store.ErrConflict)
	made.ID = "a2"
	is(t, "a short secret", failure(s.Access.Create(ctx, made, secret('s')[:31])), store.ErrInvalid)
	made.Expires = time.Time{}
	is(t, "no end", failure(s.Access.Create(ctx, made, secret('s'))), store.ErrInvalid)
	done(t, s.Access.Revoke(ctx, "a1"))
	first, _, err := s.Access.Find(ctx, "a1")
	done(t, err)
	s.Clock.Advance(time.Minute)
	done(t, s.Access.Revoke(ctx, "a1"))
	again, _, err := s.Access.Find(ctx, "a1")
	done(t, err)
	equal(t, "when it was revoked", again, first)
	if first.Revoked.IsZero() {
		t.Error("not revoked")
	}
}

func accessRotates(t *testing.T, s Subject) {
	ctx := t.Context()
	old := s.access(t, "a1")
	next := store.AccessToken{ID: "a2", Author: "tina", Expires: s.Clock.Now().Add(48 * time.Hour)}
	ends := s.Clock.Now().Add(time.Minute)
	made := must(s.Access.Rotate(ctx, "a1", next, secret('n'), ends))(t)
	want := old
	want.ID, want.Author, want.Expires = "a2", "tina", next.Expires
	equal(t, "the new one", made, want)
	before, _, err := s.Access.Find(ctx, "a1")
	done(t, err)
	equal(t, "the end of the old one", before.Expires, ends)
	next.ID = "a3"
	s.Clock.Advance(time.Minute)
	is(t, "one that has ended", failure(s.Access.Rotate(ctx, "a1", next, secret('n'), ends)), store.ErrExpired)
	is(t, "one that is not", failure(s.Access.Rotate(ctx, "none", next, secret('n'), ends)), store.ErrNotFound)
	done(t, s.Access.Revoke(ctx, "a2"))
	is(t, "a revoked one", failure(s.Access.Rotate(ctx, "a2", next, secret('n'), ends)), store.ErrRevoked)
	equal(t, "tokens", len(must(s.Access.List(ctx))(t)), 2)
}
