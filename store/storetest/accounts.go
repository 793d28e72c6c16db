package storetest

import (
	"fmt"
	"net/netip"
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
	app := must(s.Accounts.AddApplication(ctx, store.Application{ID: "a1", Name: "Shop", Team: "payments", Owner: "olga", Plan: "bronze"}))(t)
	equal(t, "told", <-feed, store.Notice{Concern: store.ConcernAccounts, Key: "application/a1"})
	s.application(t, "a2")
	<-feed
	c := store.Credential{ID: "c1", Application: "a1", Prefix: "gh_live_ab", Name: "till", Author: "olga", Scopes: []string{"pay"}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Expires: s.Clock.Now().Add(time.Hour)}
	c = must(s.Accounts.AddCredential(ctx, c, secret('s')))(t)
	equal(t, "told", <-feed, store.Notice{Concern: store.ConcernSecrets, Key: "credentials"})
	equal(t, "told", <-feed, store.Notice{Concern: store.ConcernAccounts, Key: "credential/c1"})
	sub := must(s.Accounts.Subscribe(ctx, store.Subscription{ID: "s1", Application: "a1", API: "payments", Plan: "gold"}))(t)
	equal(t, "application", must(s.Accounts.Application(ctx, "a1"))(t), app)
	equal(t, "credentials", must(s.Accounts.Credentials(ctx, store.AccountQuery{Application: "a1"}))(t), []store.Credential{c})
	equal(t, "credential", must(s.Accounts.Credential(ctx, "c1"))(t), c)
	equal(t, "subscriptions", must(s.Accounts.Subscriptions(ctx, "", ""))(t), []store.Subscription{sub})
	equal(t, "subscription", must(s.Accounts.Subscription(ctx, "s1"))(t), sub)
	equal(t, "applications after the first", len(must(s.Accounts.Applications(ctx, store.AccountQuery{Team: "payments", After: "a1"}))(t)), 1)
	equal(t, "applications of another team", len(must(s.Accounts.Applications(ctx, store.AccountQuery{Team: "orders"}))(t)), 0)

	key := must(s.Accounts.Key(ctx))(t)
	equal(t, "by its hash", must(s.Accounts.ByHash(ctx, store.HashCredential(key, secret('s'))))(t), c)
	is(t, "by another's", failure(s.Accounts.ByHash(ctx, store.HashCredential(key, secret('x')))), store.ErrNotFound)
	is(t, "by another key", failure(s.Accounts.ByHash(ctx, store.HashCredential(secret('k'), secret('s')))), store.ErrNotFound)
	used := s.Clock.Now().Add(time.Minute)
	done(t, s.Accounts.Touch(ctx, store.Use{ID: "c1", Last: used}))
	done(t, s.Accounts.Touch(ctx, store.Use{ID: "c1", Last: used.Add(-time.Second)}))
	equal(t, "used", must(s.Accounts.Credential(ctx, "c1"))(t).Used, used)
}

func plansChange(t *testing.T, s Subject) {
	ctx := t.Context()
	s.application(t, "a1")
	s.application(t, "a2")
	_, end, err := s.Accounts.ApplicationsAfter(ctx, store.Mark{}, 0)
	done(t, err)
	gold := must(s.Accounts.SetPlan(ctx, "a1", "gold"))(t)
	equal(t, "the plan", gold.Plan, "gold")
	equal(t, "as read", must(s.Accounts.Application(ctx, "a1"))(t), gold)
	changed, _, err := s.Accounts.ApplicationsAfter(ctx, end, 0)
	done(t, err)
	equal(t, "what followers read", changed, []store.Application{gold})
	equal(t, "taken away", must(s.Accounts.SetPlan(ctx, "a1", ""))(t).Plan, "")
	is(t, "of nobody", failure(s.Accounts.SetPlan(ctx, "a9", "gold")), store.ErrNotFound)
	done(t, s.Accounts.RevokeApplication(ctx, "a2"))
	is(t, "of one that has ended", failure(s.Accounts.SetPlan(ctx, "a2", "gold")), store.ErrRevoked)
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
	done(t, add("c5", "a1", 'z'))
	done(t, s.Accounts.RevokeApplication(ctx, "a1"))
	now := s.Clock.Now()
	equal(t, "what was revoked before", must(s.Accounts.Credential(ctx, "c1"))(t).Revoked, revoked)
	equal(t, "a credential of a revoked application", must(s.Accounts.Credential(ctx, "c5"))(t).Revoked, now)
	equal(t, "a subscription of a revoked application", must(s.Accounts.Subscription(ctx, "s2"))(t).Revoked, now)
	is(t, "a revoked application", add("c3", "a1", 'y'), store.ErrRevoked)
	is(t, "a revoked application", subscribe("s3", "a1"), store.ErrRevoked)
}

func credentialsRotate(t *testing.T, s Subject) {
	ctx := t.Context()
	s.application(t, "a1")
	inside := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	old := must(s.Accounts.AddCredential(ctx, store.Credential{
		ID: "c1", Application: "a1", Prefix: "p", Name: "till", Scopes: []string{"pay"}, Addresses: inside,
	}, secret('1')))(t)
	ends := s.Clock.Now().Add(time.Hour)
	fresh := must(s.Accounts.RotateCredential(ctx, "c1", store.Credential{ID: "c2", Prefix: "q", Author: "olga"}, secret('2'), ends))(t)
	equal(t, "the new one", must(s.Accounts.Credential(ctx, "c2"))(t), fresh)
	equal(t, "what it has of the old one", []any{fresh.Application, fresh.Name, fresh.Scopes, fresh.Addresses}, []any{"a1", "till", old.Scopes, old.Addresses})
	equal(t, "the end of the old one", must(s.Accounts.Credential(ctx, "c1"))(t).Expires, ends)
	rotate := func(old, id string, ends time.Time) error {
		return failure(s.Accounts.RotateCredential(ctx, old, store.Credential{ID: id, Prefix: "q"}, []byte(fmt.Sprintf("%032s", id)), ends))
	}
	done(t, rotate("c1", "c3", ends.Add(time.Hour)))
	equal(t, "an end that comes first stays", must(s.Accounts.Credential(ctx, "c1"))(t).Expires, ends)
	is(t, "one that is not there", rotate("c9", "c4", ends), store.ErrNotFound)
	is(t, "a known id", rotate("c1", "c2", ends), store.ErrConflict)
	s.Clock.Advance(time.Hour)
	is(t, "one that has ended", rotate("c1", "c4", ends), store.ErrExpired)
	done(t, s.Accounts.RevokeCredential(ctx, "c2"))
	is(t, "a revoked one", rotate("c2", "c4", ends), store.ErrRevoked)
	done(t, s.Accounts.RevokeApplication(ctx, "a1"))
	is(t, "of a revoked application", rotate("c3", "c4", ends), store.ErrRevoked)
}

func accountsAreFollowed(t *testing.T, s Subject) {
	ctx := t.Context()
	for i := range 5 {
		s.application(t, fmt.Sprint("a", i))
		must(s.Accounts.AddCredential(ctx, store.Credential{ID: fmt.Sprint("c", i), Application: "a0", Prefix: "p"}, secret(byte('0'+i))))(t)
	}
	must(s.Accounts.Subscribe(ctx, store.Subscription{ID: "s1", Application: "a0", API: "payments", Plan: "gold"}))(t)
	var mark store.Mark
	read := func(most int) (ids []string) {
		all, end, err := s.Accounts.CredentialsAfter(ctx, mark, most)
		done(t, err)
		for _, c := range all {
			ids = append(ids, c.ID)
		}
		mark = end
		return ids
	}
	equal(t, "the first", read(2), []string{"c0", "c1"})
	equal(t, "the rest", read(0), []string{"c2", "c3", "c4"})
	equal(t, "no more", len(read(0)), 0)
	done(t, s.Accounts.RevokeCredential(ctx, "c1"))
	done(t, s.Accounts.RevokeCredential(ctx, "c1"))
	done(t, s.Accounts.Touch(ctx, store.Use{ID: "c3", Last: s.Clock.Now()}))
	done(t, failure(s.Accounts.RotateCredential(ctx, "c2", store.Credential{ID: "c9", Prefix: "p"}, secret('9'), s.Clock.Now())))
	equal(t, "what was revoked, and rotated", read(0), []string{"c1", "c9", "c2"})

	apps, end, err := s.Accounts.ApplicationsAfter(ctx, store.Mark{}, 0)
	done(t, err)
	equal(t, "applications", len(apps), 5)
	done(t, s.Accounts.RevokeApplication(ctx, "a3"))
	apps, _, err = s.Accounts.ApplicationsAfter(ctx, end, 0)
	done(t, err)
	equal(t, "a revoked application", apps, []store.Application{must(s.Accounts.Application(ctx, "a3"))(t)})
	subs, _, err := s.Accounts.SubscriptionsAfter(ctx, store.Mark{}, 0)
	done(t, err)
	equal(t, "subscriptions", subs, []store.Subscription{must(s.Accounts.Subscription(ctx, "s1"))(t)})
	hashed, _, err := s.Accounts.CredentialsAfter(ctx, store.Mark{}, 1)
	done(t, err)
	equal(t, "the hash", hashed[0].Hash, store.HashCredential(must(s.Accounts.Key(ctx))(t), secret('0')))
}

func accountsByPages(t *testing.T, s Subject) {
	ctx := t.Context()
	s.application(t, "a1")
	must(s.Accounts.AddApplication(ctx, store.Application{ID: "a2", Name: "Shop", Team: "orders"}))(t)
	var uses []store.Use
	for i := range 250 {
		id := fmt.Sprintf("c%03d", i)
		must(s.Accounts.AddCredential(ctx, store.Credential{ID: id, Application: fmt.Sprint("a", 1+i%2), Prefix: "p"}, []byte(fmt.Sprintf("%032d", i))))(t)
		uses = append(uses, store.Use{ID: id, Last: s.Clock.Now().Add(time.Duration(i) * time.Second)})
	}
	page := func(q store.AccountQuery) (ids []string) {
		for _, c := range must(s.Accounts.Credentials(ctx, q))(t) {
			ids = append(ids, c.ID)
		}
		return ids
	}
	equal(t, "the first page of a team", page(store.AccountQuery{Team: "orders", Most: 2}), []string{"c001", "c003"})
	equal(t, "the second", page(store.AccountQuery{Team: "orders", Most: 2, After: "c003"}), []string{"c005", "c007"})
	equal(t, "of an application of another team", len(page(store.AccountQuery{Team: "orders", Application: "a1"})), 0)
	done(t, s.Accounts.Touch(ctx, append(uses, store.Use{ID: "c999", Last: s.Clock.Now()})...))
	for _, u := range uses {
		equal(t, "used", must(s.Accounts.Credential(ctx, u.ID))(t).Used, u.Last)
	}
}
