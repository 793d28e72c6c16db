package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/cache"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// fleets tells the rollouts what they ask of Envoys and access logs, in their words.
type fleets struct{ *Server }

// Observe returns the nodes of a fleet and what they refuse of a version.
func (f fleets) Observe(fleet string, to rollout.Version) ([]rollout.Node, []rollout.Refusal) {
	var nodes []rollout.Node
	seen := map[string]bool{}
	connected := f.xds.Fleet(fleet)
	for _, n := range connected {
		seen[n.Name] = true
		nodes = append(nodes, rollout.Node{
			Name: n.Name, Envoy: n.Envoy, Labels: n.Labels,
			Connected: n.State != cache.StateDisconnected, Acknowledged: n.Acknowledged,
		})
	}
	nodes = f.observeAll(fleet, nodes, connected)
	for _, n := range nodes {
		seen[n.Name] = true
	}
	for _, n := range f.known.of(fleet, f.options.Now()) {
		if !seen[n.Name] { // It has not come back since this process started.
			nodes = append(nodes, rollout.Node{Name: n.Name, Envoy: n.Envoy, Labels: n.Labels})
		}
	}
	return nodes, f.refusals(fleet, to)
}

// refusals returns what nodes refuse of a version that they would not refuse of what the fleet had before.
func (f fleets) refusals(fleet string, to rollout.Version) []rollout.Refusal {
	var all []rollout.Refusal
	wanted, before := f.snapshot(fleet, to), f.snapshot(fleet, f.base(fleet))
	for _, v := range f.refused(fleet) {
		if v.Version != versionIn(wanted, v) || v.Version == versionIn(before, v) {
			continue
		}
		one := rollout.Refusal{Resource: cache.ShortType(v.Type) + " " + v.Name, Text: v.Text, Origin: v.Origin, Nodes: v.Nodes}
		if v.Acknowledged {
			one.Accepted = []string{v.Envoy}
		}
		all = add(all, one)
	}
	return all
}

// base returns what finished last in a fleet.
func (f fleets) base(fleet string) rollout.Version {
	for _, s := range f.rollouts.States() {
		if s.Fleet == fleet {
			return s.Base
		}
	}
	return rollout.Version{}
}

// versionIn returns which version of a refused resource a snapshot has, "" for none.
func versionIn(s *cache.Snapshot, v cache.Verdict) string {
	if s == nil {
		return ""
	}
	for _, r := range s.Resources(v.Type) {
		if r.Name == v.Name {
			return r.Version
		}
	}
	return ""
}

// add puts refusals of one resource by nodes of several Envoy versions together.
func add(all []rollout.Refusal, one rollout.Refusal) []rollout.Refusal {
	for i := range all {
		if all[i].Resource == one.Resource {
			all[i].Nodes = append(all[i].Nodes, one.Nodes...)
			all[i].Accepted = append(all[i].Accepted, one.Accepted...)
			return all
		}
	}
	return append(all, one)
}

// Figures returns what nodes did.
func (f fleets) Figures(fleet string, spans []rollout.Span) rollout.Figures {
	asked := make([]analytics.Span, len(spans))
	for i, s := range spans {
		asked[i] = analytics.Span(s)
	}
	found := f.analytics.Figures(fleet, asked)
	return rollout.Figures{Requests: found.Requests, Errors: found.Errors, Denials: found.Denials, Latency: found.Latency}
}

// deliver gives every node what its rollout says.
func (s *Server) deliver(assignments []rollout.Assignment) {
	plans := make([]cache.Plan, 0, len(assignments))
	for _, a := range assignments {
		plan := cache.Plan{Fleet: a.Fleet, Default: s.snapshot(a.Fleet, a.Default), Nodes: map[string]*cache.Snapshot{}}
		for name, v := range a.Nodes {
			plan.Nodes[name] = s.snapshot(a.Fleet, v)
		}
		plans = append(plans, plan)
	}
	s.xds.Use(plans)
}

// snapshot returns what a fleet gets of a version, nil for none: nodes keep what they have.
func (s *Server) snapshot(fleet string, v rollout.Version) *cache.Snapshot {
	if e := s.entries.get(v.Entry); e != nil {
		return e.xds.Snapshot(fleet)
	}
	return nil
}

// told notes in the history what became of entries, and goes back to what was live where one was stopped.
func (s *Server) told(events []rollout.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	states := s.rollouts.States()
	for _, event := range events {
		number := event.Version.Entry
		to, reason := standing(number, states, event)
		s.setState(ctx, number, to, reason)
		s.events.Publish(admin.Event{Kind: admin.EventRollout, Fleet: event.Fleet, Entry: number, State: string(event.Phase)})
		stopped := event.Phase == rollout.Refused || event.Phase == rollout.Aborted
		if !stopped || s.live.Load().entry != number {
			continue
		}
		i := slices.IndexFunc(states, func(st rollout.State) bool { return st.Fleet == event.Fleet })
		if before := s.entries.get(states[i].Base.Entry); before != nil {
			s.setLive(before, nil)
		}
	}
}

// standing returns in which state an entry is, by its rollouts in all fleets, and why.
func standing(number int64, states []rollout.State, event rollout.Event) (state, reason string) {
	ended := []rollout.Phase{rollout.Live, rollout.Superseded, rollout.Aborted, rollout.Refused}
	worst := event.Phase
	reason = describe(event.Fleet, event.Reason)
	for _, s := range states {
		if s.Rollout == nil || s.Rollout.To.Entry != number {
			continue
		}
		if s.Active() {
			return stateRolling, ""
		}
		if slices.Index(ended, s.Rollout.Phase) > slices.Index(ended, worst) {
			worst, reason = s.Rollout.Phase, describe(s.Fleet, s.Rollout.Reason)
		}
	}
	return string(worst), reason
}

func describe(fleet string, reason *rollout.Reason) string {
	if reason == nil {
		return ""
	}
	return fmt.Sprintf("fleet %s: %s", fleet, reason)
}

// setState moves a history entry to a state. That it cannot be stored is logged: the rollouts' own states are what counts.
func (s *Server) setState(ctx context.Context, number int64, state, reason string) {
	e, err := s.store.History.Get(ctx, number)
	if err == nil && e.State != state {
		if err = s.store.History.SetState(ctx, number, e.State, state, reason); err == nil {
			s.events.Publish(admin.Event{Kind: admin.EventEntry, Entry: number, State: state})
		}
	}
	if err != nil {
		s.log.Error("the history cannot be written", "entry", number, "state", state, "error", err)
	}
}

// storeTimeout bounds what is written to the store when something happened.
const storeTimeout = 10 * time.Second

// ledger keeps rollouts in the store.
type ledger struct {
	server *Server
	mu     sync.Mutex
	last   map[string]*line // By fleet.
}

// line is the rollout of a fleet that is stored last.
type line struct {
	stored store.Rollout
	began  time.Time
}

// Save stores states, all or none. A rollout that another follows is closed with it.
func (l *ledger) Save(ctx context.Context, states []rollout.State) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var put []store.Rollout
	for _, s := range states {
		body, err := json.Marshal(s)
		if err != nil {
			return err
		}
		next := store.Rollout{Fleet: s.Fleet, Started: s.Rollout.Began}
		if last := l.last[s.Fleet]; last != nil {
			if last.began.Equal(s.Rollout.Began) {
				next = last.stored
			} else if last.stored.Finished.IsZero() {
				closed := last.stored
				closed.State, closed.Finished = string(rollout.Superseded), s.Rollout.Began
				put = append(put, closed)
			}
		}
		next.Entry, next.Previous, next.State = s.Rollout.To.Entry, s.Rollout.From.Entry, string(s.Rollout.Phase)
		next.Body, next.Finished = body, s.Rollout.Ended
		put = append(put, next)
	}
	stored, err := l.server.store.Rollouts.Put(ctx, put...)
	if errors.Is(err, store.ErrConflict) {
		err = fmt.Errorf("%w: %w", rollout.ErrChanged, err)
	}
	if err != nil {
		return err
	}
	for _, r := range stored {
		began := r.Started
		for _, s := range states {
			if s.Fleet == r.Fleet {
				began = s.Rollout.Began
			}
		}
		l.last[r.Fleet] = &line{stored: r, began: began}
	}
	return nil
}

// States returns what was stored last of every fleet.
func (l *ledger) States(ctx context.Context) ([]rollout.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.last)
	open, err := l.server.store.Rollouts.Open(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := l.server.store.Rollouts.List(ctx, "", 1000)
	if err != nil {
		return nil, err
	}
	var states []rollout.State
	for _, r := range append(open, newest...) {
		if l.last[r.Fleet] != nil {
			continue
		}
		s, err := readState(r)
		if err != nil {
			return nil, err
		}
		l.last[r.Fleet] = &line{stored: r, began: s.Rollout.Began}
		if !s.Base.None() {
			states = append(states, s)
		}
	}
	slices.SortFunc(states, func(a, b rollout.State) int { return cmp.Compare(a.Fleet, b.Fleet) })
	return states, nil
}
