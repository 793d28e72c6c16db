package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

const ttl = time.Hour

func leasesOneHolder(t *testing.T, s Subject) {
	ctx := t.Context()
	other := s.Open(t, store.Options{Now: s.Clock.Now})
	holders := []string{"a", "b", "c", "d"}
	won := make([]store.Lease, len(holders))
	count := 0
	for i, err := range race(len(holders), func(i int) (err error) {
		won[i], err = []*store.Store{s.Store, other}[i%2].Leases.Take(ctx, "rollouts", holders[i], ttl)
		return err
	}) {
		if err == nil {
			count++
			continue
		}
		is(t, "one that came late", err, store.ErrConflict)
		if won[i].Holder == "" || won[i].Holder == holders[i] || won[i].Ends.IsZero() {
			t.Errorf("%s was told that the lease is %+v", holders[i], won[i])
		}
	}
	equal(t, "how many got the lease", count, 1)
	lease := must(s.Leases.List(ctx))(t)[0]
	done(t, other.Leases.Check(ctx, lease))
	renewed := must(other.Leases.Renew(ctx, lease, 2*ttl))(t)
	equal(t, "fence after renewal", renewed.Fence, lease.Fence)
	if !renewed.Ends.After(lease.Ends) {
		t.Errorf("renewed until %v, before %v", renewed.Ends, lease.Ends)
	}
	stranger := lease
	stranger.Holder = "z"
	is(t, "renewal by another", failure(s.Leases.Renew(ctx, stranger, ttl)), store.ErrConflict)
	done(t, s.Leases.Release(ctx, stranger))
	done(t, s.Leases.Check(ctx, lease))
	done(t, s.Leases.Release(ctx, lease))
	is(t, "after the release", s.Leases.Check(ctx, lease), store.ErrConflict)
	next := must(other.Leases.Take(ctx, "rollouts", "z", ttl))(t)
	if next.Fence <= lease.Fence {
		t.Errorf("fence %d after %d", next.Fence, lease.Fence)
	}
	is(t, "no time", failure(s.Leases.Take(ctx, "rollouts", "a", 0)), store.ErrInvalid)
	must(s.Leases.Take(ctx, "fetches", "a", ttl))(t)
	equal(t, "leases", len(must(s.Leases.List(ctx))(t)), 2)
}

// leasesEnd lets a lease end by itself: by the subject's clock or by the server's.
func leasesEnd(t *testing.T, s Subject) {
	ctx := t.Context()
	short := 50 * time.Millisecond
	lease := must(s.Leases.Take(ctx, "rollouts", "a", short))(t)
	var taken store.Lease
	deadline := time.Now().Add(10 * time.Second)
	for err := store.ErrConflict; err != nil; {
		if !errors.Is(err, store.ErrConflict) || time.Now().After(deadline) {
			t.Fatalf("taking a lease that ended: %v", err)
		}
		s.Clock.Advance(short)
		taken, err = s.Leases.Take(ctx, "rollouts", "b", ttl)
	}
	if taken.Fence <= lease.Fence || taken.Holder != "b" {
		t.Errorf("taken as %+v after %+v", taken, lease)
	}
	is(t, "renewal of what ended", failure(s.Leases.Renew(ctx, lease, ttl)), store.ErrConflict)
	err := s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		return errors.Join(s.Meta.Set(ctx, "by", "a"), s.Leases.Check(ctx, lease))
	})
	is(t, "a change under a lease that ended", err, store.ErrConflict)
	is(t, "what it changed", failure(s.Meta.Get(ctx, "by")), store.ErrNotFound)
	done(t, s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		return errors.Join(s.Leases.Check(ctx, taken), s.Meta.Set(ctx, "by", "b"))
	}))
	equal(t, "changed by", must(s.Meta.Get(ctx, "by"))(t), "b")
}

func replicasComeBack(t *testing.T, s Subject) {
	ctx := t.Context()
	a := store.Replica{ID: "a", Addresses: map[string]string{"xds": "192.0.2.1:18000", "admin": "192.0.2.1:18080"}, Report: []byte(`{"nodes":3}`), Version: "1.2.0"}
	done(t, s.Replicas.Beat(ctx, a))
	done(t, s.Replicas.Beat(ctx, store.Replica{ID: "b"}))
	first := must(s.Replicas.List(ctx, 0))(t)
	equal(t, "replicas", len(first), 2)
	got := first[0]
	a.Started, a.Seen = got.Started, got.Seen
	equal(t, "replica", got, a)
	s.Clock.Advance(time.Millisecond)
	a.Report = []byte(`{"nodes":4}`)
	done(t, s.Replicas.Beat(ctx, a))
	again := must(s.Replicas.List(ctx, ttl))(t)[0]
	equal(t, "report", string(again.Report), `{"nodes":4}`)
	equal(t, "first sign of life", again.Started, got.Started)
	if !again.Seen.After(got.Seen) {
		t.Errorf("seen %v, before %v", again.Seen, got.Seen)
	}
	is(t, "no id", s.Replicas.Beat(ctx, store.Replica{}), store.ErrInvalid)
	done(t, s.Replicas.Remove(ctx, "b"))
	done(t, s.Replicas.Remove(ctx, "b"))
	equal(t, "left", len(must(s.Replicas.List(ctx, 0))(t)), 1)
	equal(t, "forgotten of those that live", must(s.Replicas.Forget(ctx, ttl))(t), 0)
}

func secretsComeBack(t *testing.T, s Subject) {
	ctx := t.Context()
	sealing := s.Open(t, store.Options{Sealing: [][]byte{keyOf(1)}})
	done(t, sealing.Secrets.Put(ctx, "oidc/bank", []byte("first")))
	done(t, sealing.Secrets.Put(ctx, "oidc/bank", []byte("second")))
	equal(t, "secret", string(must(sealing.Secrets.Get(ctx, "oidc/bank"))(t)), "second")
	is(t, "without a key", failure(s.Secrets.Get(ctx, "oidc/bank")), store.ErrSealed)
	both := s.Open(t, store.Options{Sealing: [][]byte{keyOf(2), keyOf(1)}})
	equal(t, "by the second key", string(must(both.Secrets.Get(ctx, "oidc/bank"))(t)), "second")
	equal(t, "names", must(s.Secrets.Names(ctx))(t), []string{"oidc/bank"})
	is(t, "none", failure(s.Secrets.Get(ctx, "none")), store.ErrNotFound)
	is(t, "empty", s.Secrets.Put(ctx, "a", nil), store.ErrInvalid)
	done(t, s.Secrets.Remove(ctx, "oidc/bank"))
	is(t, "removing none", s.Secrets.Remove(ctx, "oidc/bank"), store.ErrNotFound)
}

func historyAfter(t *testing.T, s Subject) {
	ctx := t.Context()
	e := store.Entry{Content: "c", State: "live"}
	other := s.Open(t, store.Options{})
	won := 0
	for _, err := range race(6, func(i int) error {
		return failure([]*store.Store{s.Store, other}[i%2].History.AddAfter(ctx, e, files(1), 0))
	}) {
		if err == nil {
			won++
		} else {
			is(t, "one that came late", err, store.ErrConflict)
		}
	}
	equal(t, "how many added the first entry", won, 1)
	is(t, "after one that is not there", failure(s.History.AddAfter(ctx, e, nil, 2)), store.ErrConflict)
	equal(t, "number", must(s.History.AddAfter(ctx, e, nil, 1))(t).Number, int64(2))
	equal(t, "entries", len(must(s.History.List(ctx, store.Query{}))(t)), 2)
}
