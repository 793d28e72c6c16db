package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func metaValues(t *testing.T, s Subject) {
	ctx := t.Context()
	is(t, "a name without value", failure(s.Meta.Get(ctx, "domain")), store.ErrNotFound)
	results := make([]string, 8)
	other := s.Open(t, store.Options{})
	for _, err := range race(len(results), func(i int) (err error) {
		results[i], err = []*store.Store{s.Store, other}[i%2].Meta.Init(ctx, "domain", string(rune('a'+i)))
		return err
	}) {
		done(t, err)
	}
	for _, result := range results {
		equal(t, "what each got", result, results[0])
	}
	equal(t, "value", must(s.Meta.Get(ctx, "domain"))(t), results[0])
	done(t, s.Meta.Set(ctx, "domain", "bank.test"))
	equal(t, "value", must(s.Meta.Get(ctx, "domain"))(t), "bank.test")
	is(t, "setting without a name", s.Meta.Set(ctx, "", "x"), store.ErrInvalid)
	is(t, "setting without a name", failure(s.Meta.Init(ctx, "", "x")), store.ErrInvalid)
}

// timesComeBack stores a time of another zone with nanoseconds: it comes back as the same microsecond in UTC.
func timesComeBack(t *testing.T, s Subject) {
	seen := time.Date(2026, 3, 29, 2, 30, 0, 123_456_789, time.FixedZone("", -5*3600))
	done(t, s.Nodes.Put(t.Context(), store.Node{Fleet: "edge", Name: "a", LastSeen: seen}))
	got := must(s.Nodes.Get(t.Context(), "edge", "a"))(t).LastSeen
	equal(t, "time", got, seen.UTC().Truncate(time.Microsecond))
	r := must(s.Rollouts.Put(t.Context(), store.Rollout{Fleet: "edge", State: "rolling"}))(t)[0]
	if finished := must(s.Rollouts.Get(t.Context(), r.ID))(t).Finished; !finished.IsZero() {
		t.Errorf("no time came back as %v", finished)
	}
}

func survives(t *testing.T, s Subject) {
	ctx := t.Context()
	e := s.add(t, 1, "live")
	claim := s.token(t, "t1", 1)
	must(s.Authority.Add(ctx, authority("ca", store.Active)))(t)
	must(s.Observed.Put(ctx, value("pay", "1"), 0))(t)
	done(t, s.Nodes.Put(ctx, node("a")))
	must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "edge", Entry: 1, State: "rolling"}))(t)
	done(t, s.Close())
	again := s.Open(t, store.Options{Now: s.Clock.Now})
	equal(t, "entry", must(again.History.Get(ctx, 1))(t), e)
	Subject{Store: again}.sameFiles(t, e.Content, files(1))
	equal(t, "authorities", len(must(again.Authority.List(ctx))(t)), 1)
	equal(t, "observed", len(must(again.Observed.List(ctx, ""))(t)), 1)
	equal(t, "nodes", len(must(again.Nodes.List(ctx, ""))(t)), 1)
	equal(t, "rollouts", len(must(again.Rollouts.Open(ctx))(t)), 1)
	must(again.Tokens.Take(ctx, claim))(t)
	done(t, again.Check(ctx))
}

func contextEnds(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	is(t, "reading", failure(s.History.List(ctx, store.Query{})), context.Canceled)
	is(t, "changing", s.Meta.Set(ctx, "a", "b"), context.Canceled)
	done(t, s.Meta.Set(t.Context(), "a", "c")) // The store goes on.
}

func closed(t *testing.T, s Subject) {
	done(t, s.Close())
	is(t, "reading", failure(s.History.List(t.Context(), store.Query{})), store.ErrClosed)
	is(t, "changing", s.Meta.Set(t.Context(), "a", "b"), store.ErrClosed)
	is(t, "closing", s.Close(), store.ErrClosed)
}
