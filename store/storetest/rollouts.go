package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func rolloutsOneOpen(t *testing.T, s Subject) {
	ctx := t.Context()
	first := must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "edge", Entry: 2, Previous: 1, State: "rolling", Body: []byte(`{"wave":1}`)}))(t)[0]
	want := store.Rollout{
		ID: 1, Fleet: "edge", Entry: 2, Previous: 1, State: "rolling", Body: []byte(`{"wave":1}`), Version: 1,
		Started: s.Clock.Now(), Changed: s.Clock.Now(),
	}
	equal(t, "put", first, want)
	equal(t, "read", must(s.Rollouts.Get(ctx, 1))(t), want)
	next := store.Rollout{Fleet: "edge", Entry: 3, Previous: 1, State: "rolling"}
	is(t, "a second open one", failure(s.Rollouts.Put(ctx, next)), store.ErrConflict)
	must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "core", Entry: 2, State: "rolling"}))(t)

	first.State, first.Finished = "superseded", s.Clock.Now()
	both := must(s.Rollouts.Put(ctx, first, next))(t)
	equal(t, "what superseded it", both[1].Entry, int64(3))
	var open []string
	for _, r := range must(s.Rollouts.Open(ctx))(t) {
		open = append(open, fmt.Sprint(r.Fleet, r.Entry))
	}
	equal(t, "open", open, []string{"core2", "edge3"})
	is(t, "without fleet", failure(s.Rollouts.Put(ctx, store.Rollout{State: "rolling"})), store.ErrInvalid)
}

func rolloutsVersion(t *testing.T, s Subject) {
	ctx := t.Context()
	r := must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "edge", Entry: 2, State: "rolling"}))(t)[0]
	other := s.Open(t, store.Options{})
	won := 0
	for _, err := range race(16, func(i int) error {
		step := r
		step.Body = fmt.Append(nil, i)
		return failure([]*store.Store{s.Store, other}[i%2].Rollouts.Put(ctx, step))
	}) {
		if err == nil {
			won++
		} else {
			is(t, "one that came late", err, store.ErrConflict)
		}
	}
	equal(t, "how many stored their step", won, 1)
	equal(t, "version", must(s.Rollouts.Get(ctx, r.ID))(t).Version, int64(2))
	is(t, "one that is not", failure(s.Rollouts.Put(ctx, store.Rollout{ID: 99, Version: 1, Fleet: "edge", State: "rolling"})), store.ErrConflict)
	is(t, "reading one that is not", failure(s.Rollouts.Get(ctx, 99)), store.ErrNotFound)
}

func rolloutsFinished(t *testing.T, s Subject) {
	ctx := t.Context()
	for i, state := range []string{"done", "done", "aborted"} {
		s.Clock.Advance(time.Minute)
		must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "edge", Entry: int64(i + 1), State: state, Finished: s.Clock.Now()}))(t)
	}
	must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "edge", Entry: 4, State: "rolling"}))(t)
	must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "core", Entry: 9, State: "done", Finished: s.Clock.Now()}))(t)
	equal(t, "done", must(s.Rollouts.LastFinished(ctx, "edge", "done"))(t).Entry, int64(2))
	equal(t, "done or aborted", must(s.Rollouts.LastFinished(ctx, "edge", "done", "aborted"))(t).Entry, int64(3))
	equal(t, "in any state", must(s.Rollouts.LastFinished(ctx, "edge"))(t).Entry, int64(3))
	is(t, "rolling is not finished", failure(s.Rollouts.LastFinished(ctx, "edge", "rolling")), store.ErrNotFound)
	is(t, "an unknown fleet", failure(s.Rollouts.LastFinished(ctx, "none")), store.ErrNotFound)
	var entries []int64
	for _, r := range must(s.Rollouts.List(ctx, "edge", 2))(t) {
		entries = append(entries, r.Entry)
	}
	equal(t, "the newest two", entries, []int64{4, 3})
	equal(t, "of all fleets", len(must(s.Rollouts.List(ctx, "", 0))(t)), 5)
}
