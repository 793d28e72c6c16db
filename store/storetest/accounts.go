package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func (s Subject) application(t fataler, id string) {
	t.Helper()
	must(s.Accounts.AddApplication(t.Context(), store.Application{ID: id, Name: "Shop " + id, Team: "payments", Owner: "olga"}))(t)
}

func accountsComeBack(t *testing.T, s Subject) {
	ctx := t.Context()
	feed := s.Watch(ctx)
	<-feed
	app := must(s.Accounts.AddApplication(ctx, store.Application{ID: "a1", Name: "Shop", Team: "payments", Owner: "olga"}))(t)
	equal(t, "told", <-feed, store.Notice{Concern: store.ConcernAccounts, Key: "application/a1"})
	s.application(t, "a2")
	<-feed
	c := store.Credential{ID: "c1", Application: "a1", Prefix: "gh_live_ab", Scopes: []string{"pay"}, Expires: s.Clock.Now().Add(time.Hour)}
	c = must(s.Accounts.AddCredential(ctx, c, secret('s')))(t)
	equal(t, "told", <-feed, store.Notice{Concern: store.ConcernSecrets, Key: "credentials"})
	equal(t, "told", <-feed, store.Notice{Concern: store.ConcernAccounts, Key: "credential/c1"})
	sub := must(s.Accounts.Subscribe(ctx, store.Subscription{ID: "s1", Application: "a1", API: "payments", Plan: "gold"}))(t)
	equal(t, "application", must(s.Accounts.Application(ctx, "a1"))(t), app)
	equal(t, "credentials", must(s.Accounts.Credentials(ctx, "a1", ""))(t), []store.Credential{c})
	equal(t, "credential", must(s.Accounts.Credential(ctx, "c1"))(t), c)
	equal(t, "subscriptions", must(s.Accounts.Subscriptions(ctx, "", ""))(t), []store.Subscription{sub})
	equal(t, "subscription", must(s.Accounts.Subscription(ctx, "s1"))(t), sub)
	equal(t, "applications after the first", len(must(s.Accounts.Applications(ctx, "payments", "a1"))(t)), 1)
	equal(t, "applications of another team", len(must(s.Accounts.Applications(ctx, "orders", ""))(t)), 0)

	key := must(s.Accounts.Key(ctx))(t)
	equal(t, "by its hash", must(s.Accounts.ByHash(ctx, store.HashCredential(key, secret('s'))))(t), c)
	is(t, "by another's", failure(s.Accounts.ByHash(ctx, store.HashCredential(key, secret('x')))), store.ErrNotFound)
	is(t, "by another key", failure(s.Accounts.ByHash(ctx, store.HashCredential(secret('k'), secret('s')))), store.ErrNotFound)
	used := s.Clock.Now().Add(time.Minute)
	done(t, s.Accounts.Touch(ctx, "c1", used))
	done(t, s.Accounts.Touch(ctx, "c1", used.Add(-time.Second)))
	equal(t, "used", must(s.Accounts.Credential(ctx, "c1"))(t).Used, used)
}

func accountsRefused(t *testing.T, s Subject) {
	ctx := t.Context()
	s.application(t, "a1")
	add := func(id, application string, b byte) error {
		return failure(s.Accounts.AddCredential(ctx, store.Credential{ID: id, Application: application, Prefix: "gh_"}, secret(b)))
	}
	subscribe := func(id, application string) error {
		return failure(s.Accounts.Subscribe(ctx, store.Subscription{ID: id, Application: application, API: "payments"}))
	}
	done(t, add("c1", "a1", 's'))
	done(t, subscribe("s1", "a1"))
	is(t, "the same application", failure(s.Accounts.AddApplication(ctx, store.Application{ID: "a1", Name: "x"})), store.ErrConflict)
	is(t, "the same id", add("c1", "a1", 'x'), store.ErrConflict)
	is(t, "the same secret", add("c2", "a1", 's'), store.ErrConflict)
	is(t, "no application", add("c2", "a2", 'x'), store.ErrNotFound)
	is(t, "a short secret", failure(s.Accounts.AddCredential(ctx, store.Credential{ID: "c2", Application: "a1", Prefix: "p"}, secret('s')[:31])), store.ErrInvalid)
	is(t, "subscribing twice", subscribe("s2", "a1"), store.ErrConflict)
	is(t, "no application", subscribe("s2", "a2"), store.ErrNotFound)
	done(t, s.Accounts.Unsubscribe(ctx, "s1"))
	done(t, subscribe("s2", "a1"))
	done(t, s.Accounts.RevokeCredential(ctx, "c1"))
	revoked := s.Clock.Now()
	s.Clock.Advance(time.Hour)
	done(t, s.Accounts.RevokeCredential(ctx, "c1"))
	equal(t, "revoked", must(s.Accounts.Credential(ctx, "c1"))(t).Revoked, revoked)
	is(t, "revoking none", s.Accounts.RevokeCredential(ctx, "c9"), store.ErrNotFound)
	done(t, s.Accounts.RevokeApplication(ctx, "a1"))
	is(t, "a revoked application", add("c3", "a1", 'y'), store.ErrRevoked)
	is(t, "a revoked application", subscribe("s3", "a1"), store.ErrRevoked)
}
