package rollout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Begin rolls a version out to fleets, each by its own change. Fleets that are not among them have no part in it any more:
// their nodes keep what they have. When it returns an error nothing has changed.
func (e *Engine) Begin(ctx context.Context, changes map[string]Change) error {
	e.acting.Lock()
	defer e.acting.Unlock()
	known := map[string]State{}
	for _, s := range e.States() {
		known[s.Fleet] = s
	}
	var steps []step
	for fleet, change := range changes {
		before, is := known[fleet]
		if !is {
			before = State{Fleet: fleet}
		}
		after, events := before.Begin(change, e.observe(before))
		steps = append(steps, step{before, after, events})
	}
	for fleet, before := range known {
		if _, is := changes[fleet]; !is {
			after, events := before.leave(e.with.Now())
			steps = append(steps, step{before, after, events})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return strings.Compare(a.after.Fleet, b.after.Fleet) })
	return e.take(ctx, steps)
}

// Pause holds the rollout of a fleet, or of all where it is "". The error is ErrNone or ErrPaused, where that is so of all,
// or the store's.
func (e *Engine) Pause(ctx context.Context, fleet, who string) error {
	return e.act(ctx, fleet, func(s State, now time.Time) (State, []Event, error) { return s.Pause(now, who) })
}

// Resume lets it go on. The error is ErrNone or ErrGoing, where that is so of all, or the store's.
func (e *Engine) Resume(ctx context.Context, fleet string) error {
	return e.act(ctx, fleet, func(s State, now time.Time) (State, []Event, error) { return s.Resume(now) })
}

// Abort ends it and puts its nodes back. The error is ErrNone, where that is so of all, or the store's.
func (e *Engine) Abort(ctx context.Context, fleet, who string) error {
	return e.act(ctx, fleet, func(s State, now time.Time) (State, []Event, error) { return s.Abort(now, who) })
}

func (e *Engine) act(ctx context.Context, fleet string, what func(State, time.Time) (State, []Event, error)) error {
	e.acting.Lock()
	defer e.acting.Unlock()
	var steps []step
	refused := ErrNone
	for _, s := range e.States() {
		if fleet != "" && s.Fleet != fleet {
			continue
		}
		after, events, err := what(s, e.with.Now())
		switch {
		case err == nil:
			steps = append(steps, step{s, after, events})
		case s.Active():
			refused = err
		}
	}
	if len(steps) == 0 {
		if fleet != "" {
			return fmt.Errorf("fleet %s: %w", fleet, refused)
		}
		return refused
	}
	return e.take(ctx, steps)
}
