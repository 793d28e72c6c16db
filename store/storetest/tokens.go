package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/store"
)

// secret is one of 32 bytes; a real one is random.
func secret(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func (s Subject) token(t fataler, id string, uses int) store.Claim {
	t.Helper()
	token := store.Token{ID: id, Fleet: "edge", Uses: uses, Author: "olga", Expires: s.Clock.Now().Add(time.Hour)}
	must(s.Tokens.Create(t.Context(), token, secret('s')))(t)
	return store.Claim{ID: id, Secret: secret('s'), Fleet: "edge", Node: "a"}
}

func tokensTaken(t *testing.T, s Subject) {
	ctx := t.Context()
	created := s.Clock.Now()
	claim := s.token(t, "t1", 2)
	s.Clock.Advance(time.Minute)
	want := store.Token{ID: "t1", Fleet: "edge", Uses: 1, Author: "olga", Created: created, Expires: created.Add(time.Hour), Used: s.Clock.Now()}
	equal(t, "the first use", must(s.Tokens.Take(ctx, claim))(t), want)
	claim.Fleet = "" // Whatever the token says.
	want.Uses = 0
	equal(t, "the second use", must(s.Tokens.Take(ctx, claim))(t), want)
	is(t, "the third use", failure(s.Tokens.Take(ctx, claim)), store.ErrSpent)
	equal(t, "list", must(s.Tokens.List(ctx, "edge"))(t), []store.Token{want})
	equal(t, "list of another fleet", len(must(s.Tokens.List(ctx, "core"))(t)), 0)
}

func tokensRefused(t *testing.T, s Subject) {
	ctx := t.Context()
	claim := s.token(t, "t1", 1)
	for what, change := range map[string]func(*store.Claim){
		"an unknown id":        func(c *store.Claim) { c.ID = "t2" },
		"another secret":       func(c *store.Claim) { c.Secret = secret('x') },
		"no secret":            func(c *store.Claim) { c.Secret = nil },
		"a part of the secret": func(c *store.Claim) { c.Secret = c.Secret[:31] },
		"another fleet":        func(c *store.Claim) { c.Fleet = "core" },
	} {
		wrong := claim
		change(&wrong)
		is(t, what, failure(s.Tokens.Take(ctx, wrong)), store.ErrNotFound)
	}
	bound := store.Token{ID: "bound", Fleet: "edge", Node: "b", Uses: 1, Expires: s.Clock.Now().Add(time.Hour)}
	must(s.Tokens.Create(ctx, bound, secret('s')))(t)
	is(t, "another node", failure(s.Tokens.Take(ctx, store.Claim{ID: "bound", Secret: secret('s'), Node: "a"})), store.ErrNotFound)
	must(s.Tokens.Take(ctx, store.Claim{ID: "bound", Secret: secret('s'), Node: "b"}))(t)

	is(t, "the same id again", failure(s.Tokens.Create(ctx, bound, secret('y'))), store.ErrConflict)
	bound.ID = "weak"
	is(t, "a short secret", failure(s.Tokens.Create(ctx, bound, secret('s')[:31])), store.ErrInvalid)

	revoked := s.token(t, "t3", 1)
	done(t, s.Tokens.Revoke(ctx, "t3"))
	done(t, s.Tokens.Revoke(ctx, "t3"))
	is(t, "a revoked one", failure(s.Tokens.Take(ctx, revoked)), store.ErrRevoked)
	is(t, "revoking one that is not", s.Tokens.Revoke(ctx, "none"), store.ErrNotFound)
	s.Clock.Advance(time.Hour)
	is(t, "an expired one", failure(s.Tokens.Take(ctx, claim)), store.ErrExpired)
	equal(t, "forgotten", must(s.Tokens.Forget(ctx, s.Clock.Now().Add(time.Second)))(t), 3)
}

// tokensRace takes uses from two stores at one place at once: exactly as many succeed as there are.
func tokensRace(t *testing.T, s Subject) {
	other := s.Open(t, store.Options{Now: s.Clock.Now})
	run := 0
	s.check(t, func(t *rapid.T) {
		run++
		uses, calls := rapid.IntRange(1, 5).Draw(t, "uses"), rapid.IntRange(1, 12).Draw(t, "calls")
		claim := s.token(t, fmt.Sprint("t", run), uses)
		won := 0
		for _, err := range race(calls, func(i int) error {
			return failure([]*store.Store{s.Store, other}[i%2].Tokens.Take(t.Context(), claim))
		}) {
			if err == nil {
				won++
			} else if !errors.Is(err, store.ErrSpent) {
				t.Fatalf("%v", err)
			}
		}
		if want := min(uses, calls); won != want {
			t.Fatalf("%d calls got a use of %d, want %d", won, uses, want)
		}
	})
}
