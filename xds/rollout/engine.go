package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Fleets knows the Envoys.
type Fleets interface {
	// Observe returns the nodes of a fleet that are known, connected or not, and what they refuse of a version.
	Observe(fleet string, to Version) ([]Node, []Refusal)
}

// Store keeps states over restarts.
type Store interface {
	// Save keeps states, all or none, each in the place of the one of its fleet before.
	Save(ctx context.Context, states []State) error
	// States returns those that were saved last, one for each fleet.
	States(ctx context.Context) ([]State, error)
}

// Surroundings are what an Engine works with. Deliver and Tell are called one at a time and must not call the Engine, its
// States apart.
type Surroundings struct {
	Fleets  Fleets
	Meter   Meter // nil: no figures.
	Store   Store
	Deliver func([]Assignment) // Gives every fleet's nodes their versions; it cannot fail.
	Tell    func([]Event)      // Is told what happened after it was stored and delivered; nil: nobody.
	Now     func() time.Time   // nil: time.Now.
	Log     *slog.Logger       // nil: nothing is logged.
	Tick    time.Duration      // How often rollouts are looked at when nothing happens; 0: 1 s.
}

// rests is how often within a tick rollouts are looked at at most.
const rests = 10

// storeTimeout bounds a call to the store.
const storeTimeout = 10 * time.Second

// Engine moves all fleets. Its methods may be called by many.
type Engine struct {
	with Surroundings
	wake chan struct{}

	acting  sync.Mutex      // One step at a time, from its observation to what is told of it.
	unsaved map[string]bool // By acting: fleets whose state is in effect and not stored.

	mu     sync.Mutex
	states map[string]State // By mu; a state is never changed.
}

// New returns an engine that knows of no fleet yet.
func New(with Surroundings) *Engine {
	if with.Tell == nil {
		with.Tell = func([]Event) {}
	}
	if with.Now == nil {
		with.Now = time.Now
	}
	if with.Log == nil {
		with.Log = slog.New(slog.DiscardHandler)
	}
	with.Tick = cmp.Or(with.Tick, time.Second)
	return &Engine{with: with, wake: make(chan struct{}, 1), unsaved: map[string]bool{}, states: map[string]State{}}
}

// Restore takes up the states that were stored. Nothing is delivered; Deliver does that when all that they name is at hand.
func (e *Engine) Restore(ctx context.Context) error {
	e.acting.Lock()
	defer e.acting.Unlock()
	states, err := e.with.Store.States(ctx)
	if err != nil {
		return fmt.Errorf("read the rollouts: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range states {
		e.states[s.Fleet] = s.Restarted(e.with.Now())
	}
	return nil
}

// Forget drops a fleet's state from what is delivered, because what it names cannot be had any more. It stays in the store
// until the fleet gets another.
func (e *Engine) Forget(fleet string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.states, fleet)
}

// States returns the state of every fleet, by its name.
func (e *Engine) States() []State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.SortedFunc(maps.Values(e.states), func(a, b State) int { return cmp.Compare(a.Fleet, b.Fleet) })
}

// Deliver gives all nodes their versions again, as after something else about these changed.
func (e *Engine) Deliver() {
	e.acting.Lock()
	defer e.acting.Unlock()
	e.deliver()
}

func (e *Engine) deliver() {
	states := e.States()
	assignments := make([]Assignment, len(states))
	for i, s := range states {
		assignments[i] = s.Assignment()
	}
	e.with.Deliver(assignments)
}

// Wake makes the engine look at its rollouts soon. It never blocks.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default: // It will look anyway.
	}
}

// Run looks at the rollouts again and again until ctx ends.
func (e *Engine) Run(ctx context.Context) {
	ticker := time.NewTicker(e.with.Tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-e.wake:
		}
		e.look(ctx)
		select { // A fleet that acknowledges all at once is not looked at once for each node.
		case <-ctx.Done():
			return
		case <-time.After(e.with.Tick / rests):
		}
	}
}

// look takes every rollout as far as it goes.
func (e *Engine) look(ctx context.Context) {
	e.acting.Lock()
	defer e.acting.Unlock()
	for _, s := range e.States() {
		if !s.Active() && !e.unsaved[s.Fleet] {
			continue
		}
		next, events := s.Observe(e.observe(s))
		if err := e.take(ctx, []step{{s, next, events}}); err != nil {
			e.with.Log.ErrorContext(ctx, "rollout cannot be stored and waits", "fleet", s.Fleet, "error", err)
		}
	}
}

// observe looks at a fleet.
func (e *Engine) observe(s State) Observation {
	to := s.Base
	if s.Active() {
		to = s.Rollout.To
	}
	nodes, refusals := e.with.Fleets.Observe(s.Fleet, to)
	return Observation{Now: e.with.Now(), Nodes: nodes, Refusals: refusals, Meter: e.with.Meter}
}

// step is one fleet's way from a state to the next.
type step struct {
	before, after State
	events        []Event
}

// take stores the next states, puts them into effect and tells what happened, in this order: what was delivered is never
// forgotten. To put nodes back does not wait for a store that fails; it is stored when that is possible again.
func (e *Engine) take(ctx context.Context, steps []step) error {
	var save []State
	deliver := false
	for _, s := range steps {
		changed := s.changed()
		deliver = deliver || changed
		if changed || e.unsaved[s.after.Fleet] {
			save = append(save, s.after)
		}
	}
	if err := e.save(ctx, save); err != nil {
		if overtaken(ctx, err) || !slices.ContainsFunc(steps, step.retreats) {
			return err
		}
		for _, s := range save {
			e.unsaved[s.Fleet] = true
		}
		e.with.Log.ErrorContext(ctx, "rollout is put back, and cannot be stored", "error", err)
	}
	e.mu.Lock()
	for _, s := range steps {
		e.states[s.after.Fleet] = s.after
	}
	e.mu.Unlock()
	if deliver {
		e.deliver()
	}
	e.tell(ctx, steps)
	return nil
}

// overtaken reports whether somebody else decides by now: another process has stored a later state, or this one was told to
// stop, as a leader is that cannot hold its lease.
func overtaken(ctx context.Context, err error) bool {
	return errors.Is(err, ErrChanged) || ctx.Err() != nil
}

func (e *Engine) save(ctx context.Context, states []State) error {
	if len(states) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := e.with.Store.Save(ctx, states); err != nil {
		return fmt.Errorf("store the rollouts: %w", err)
	}
	for _, s := range states {
		delete(e.unsaved, s.Fleet)
	}
	return nil
}

// changed reports whether a step must be stored and delivered. What is only waited for, and since when, is neither: it is
// found out again after a restart.
func (s step) changed() bool {
	if len(s.events) > 0 || s.before.Base != s.after.Base || (s.before.Rollout == nil) != (s.after.Rollout == nil) {
		return true
	}
	b, a := s.before.Rollout, s.after.Rollout
	return a != nil && (a.To != b.To || a.Phase != b.Phase || len(a.Members) != len(b.Members))
}

// retreats reports whether a step puts nodes back.
func (s step) retreats() bool {
	r := s.after.Rollout
	return r != nil && (r.Phase == Refused || r.Phase == Aborted)
}

// tell logs what happened and hands it on.
func (e *Engine) tell(ctx context.Context, steps []step) {
	var events []Event
	for _, s := range steps {
		for _, event := range s.events {
			level := slog.LevelInfo
			if event.Phase == Refused || event.Phase == Paused {
				level = slog.LevelWarn
			}
			e.with.Log.Log(ctx, level, "rollout", "fleet", event.Fleet, "entry", event.Version.Entry, "phase", event.Phase,
				"wave", event.Wave+1, "reason", event.Reason.String())
			events = append(events, event)
		}
	}
	if len(events) > 0 {
		e.with.Tell(events)
	}
}
