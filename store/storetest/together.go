package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// finish is what a rollout does at its end: three changes that are one.
func finish(ctx context.Context, s *store.Store, r store.Rollout) error {
	r.State, r.Finished = "done", r.Started
	return errors.Join(
		failure(s.Rollouts.Put(ctx, r)),
		s.History.SetState(ctx, 2, "rolling", "live", ""),
		s.History.SetState(ctx, 1, "live", "superseded", "by 2"),
	)
}

func togetherAllOrNone(t *testing.T, s Subject) {
	ctx := t.Context()
	s.add(t, 1, "live")
	s.add(t, 2, "rolling")
	r := must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "edge", Entry: 2, Previous: 1, State: "rolling"}))(t)[0]
	broken := errors.New("the power is gone")
	err := s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		done(t, finish(ctx, s, r))
		equal(t, "seen from inside", must(s.History.Latest(ctx, "live"))(t).Number, int64(2))
		return broken
	})
	is(t, "what do returned", err, broken)
	equal(t, "after a failure", must(s.History.Latest(ctx, "live"))(t).Number, int64(1))
	equal(t, "open rollouts after a failure", len(must(s.Rollouts.Open(ctx))(t)), 1)

	done(t, s.Together(ctx, func(ctx context.Context, s *store.Store) error { return finish(ctx, s, r) }))
	equal(t, "live", must(s.History.Latest(ctx, "live"))(t).Number, int64(2))
	equal(t, "superseded", must(s.History.Latest(ctx, "superseded"))(t).Number, int64(1))
	equal(t, "open rollouts", len(must(s.Rollouts.Open(ctx))(t)), 0)
}

// togetherGoesOn lets a call fail inside: what it did is undone, the rest is kept.
func togetherGoesOn(t *testing.T, s Subject) {
	ctx := t.Context()
	done(t, s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		done(t, s.Meta.Set(ctx, "a", "1"))
		is(t, "one node without name", s.Nodes.Put(ctx, node("a"), store.Node{Fleet: "edge"}), store.ErrInvalid)
		is(t, "closing inside", s.Close(), store.ErrInvalid)
		return s.Together(ctx, func(ctx context.Context, s *store.Store) error { return s.Meta.Set(ctx, "b", "2") })
	}))
	equal(t, "before", must(s.Meta.Get(ctx, "a"))(t), "1")
	equal(t, "after", must(s.Meta.Get(ctx, "b"))(t), "2")
	equal(t, "nodes", len(must(s.Nodes.List(ctx, ""))(t)), 0)
}
