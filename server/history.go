package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/assign"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// restore takes up what the process before left: it rebuilds every entry that a node has or is to have, and what nodes may ask
// the services about. Nothing is served yet.
func (s *Server) restore(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.restored = true
	if err := s.known.load(ctx, s.store.Nodes); err != nil {
		return err
	}
	if err := s.rollouts.Restore(ctx); err != nil {
		return err
	}
	latest, err := s.store.History.Latest(ctx)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	s.latest = latest
	s.restoreNodes(ctx)
	var newest *entry
	for _, state := range s.rollouts.States() {
		for _, v := range state.Versions() {
			e, err := s.rebuild(ctx, v.Entry, 0)
			if err != nil {
				// Nodes keep what they have; the directory's configuration is what they get next.
				s.log.Error("what a fleet has cannot be rebuilt", "fleet", state.Fleet, "entry", v.Entry, "error", err)
				s.rollouts.Forget(state.Fleet)
				break
			}
			s.entries.put(e)
			if newest == nil || newest.Number < e.Number {
				newest = e
			}
		}
	}
	if newest != nil {
		s.useServices(newest)
		s.setLive(newest, nil)
		s.log.Info("history taken up", "entry", newest.Number, "revision", newest.Content)
	}
	s.rollouts.Deliver()
	return nil
}

// restoreNodes makes the services answer for what known nodes acknowledged last: until they hear of something newer they ask
// by its rules.
func (s *Server) restoreNodes(ctx context.Context) {
	for _, number := range s.known.acknowledged() {
		e, err := s.rebuild(ctx, number, 0)
		if err != nil {
			s.log.Warn("what nodes acknowledged last cannot be rebuilt", "entry", number, "error", err)
			continue
		}
		s.authz.Use(e.authz)
		s.ratelimit.Use(e.ratelimit)
		s.analytics.Use(e.analytics)
	}
}

// renew takes the configuration of the newest entry, loaded again: what is in it the same way may resolve otherwise (secrets
// of the environment).
func (s *Server) renew(ctx context.Context, e *entry) error {
	current := s.live.Load()
	if s.entries.get(s.latest.Number) == nil || current.entry != s.latest.Number {
		begun, err := s.begun(ctx)
		if err != nil {
			return err
		}
		if !begun {
			return s.rollOut(ctx, e)
		}
		// It was refused, aborted or is held: what is served stays.
		now := *current
		now.faults = nil
		s.live.Store(&now)
		return nil
	}
	s.useServices(e)
	s.entries.put(e)
	s.setLive(e, nil)
	s.rollouts.Deliver()
	return nil
}

// begun reports whether the rollout of the newest entry began, or is not to. It did not where the process was killed between
// the two writes to the store.
func (s *Server) begun(ctx context.Context) (bool, error) {
	stored, err := s.store.History.Get(ctx, s.latest.Number)
	if err != nil {
		return false, err
	}
	for _, state := range s.rollouts.States() {
		// Also a rollout that has ended: the entry's own state is stored after the rollout's.
		if state.Base.Entry == stored.Number || state.Rollout != nil && state.Rollout.To.Entry == stored.Number {
			return true, nil
		}
	}
	return stored.State != stateRolling, nil
}

// rollOut begins the rollout of an entry in all its fleets.
func (s *Server) rollOut(ctx context.Context, e *entry) error {
	before := s.live.Load()
	s.useServices(e)
	s.entries.put(e)
	s.setLive(e, before)
	changes := map[string]rollout.Change{}
	for fleet := range e.xds.Fleets {
		changes[fleet] = rollout.Change{To: e.version(), Strategy: s.strategy(e.revision.RolloutOf(fleet)), Same: func(v rollout.Version) bool {
			old := s.entries.get(v.Entry)
			if old == nil || old.xds.Snapshot(fleet) == nil || e.xds.Snapshot(fleet) == nil {
				return false
			}
			return old.xds.Snapshot(fleet).Version() == e.xds.Snapshot(fleet).Version()
		}}
	}
	if err := s.beginRollouts(ctx, e, changes); err != nil {
		s.live.Store(before) // The entry stays as it is: whoever loads the same documents next begins again.
		return fmt.Errorf("begin the rollout of entry %d: %w", e.Number, err)
	}
	if len(changes) == 0 {
		s.setState(ctx, e.Number, stateLive, "")
	}
	s.pruneEntries()
	return nil
}

// rollingOut is what one process alone may do: take rollouts further. Before it does, it reads how far the process before it
// came.
func (s *Server) rollingOut() alone {
	return newAlone("rollouts", func(ctx context.Context, tasks *sync.WaitGroup) error {
		reading, done := context.WithTimeout(ctx, storeTimeout)
		defer done()
		err := s.rollouts.Restore(reading)
		s.rollouts.Deliver()
		tasks.Go(func() { s.rollouts.Run(ctx) })
		return err
	})
}

// strategy returns how a change moves, as the documents say; what they do not say is as the options say.
func (s *Server) strategy(written *gateway.Rollout) rollout.Strategy {
	out := s.options.Rollout
	if written == nil {
		return out
	}
	if len(written.Waves) > 0 {
		out.Waves = nil
	}
	for _, w := range written.Waves {
		out.Waves = append(out.Waves, rollout.Wave(w))
	}
	const percent = 100
	out.Soak, out.Patience = cmp.Or(written.Soak, out.Soak), cmp.Or(written.Patience, out.Patience)
	out.Gates.Requests = cmp.Or(written.Requests, out.Gates.Requests)
	out.Gates.Errors = cmp.Or(written.Errors/percent, out.Gates.Errors)
	out.Gates.Denials = cmp.Or(written.Denials/percent, out.Gates.Denials)
	out.Gates.Latency = cmp.Or(written.Latency, out.Gates.Latency)
	return out
}

// useServices makes the services answer for an entry, and for all that other nodes have: they come first, the Envoys last, so
// that no route arrives whose rules nobody knows.
func (s *Server) useServices(e *entry) {
	var all []*entry
	for _, state := range s.rollouts.States() {
		for _, v := range state.Versions() {
			if old := s.entries.get(v.Entry); old != nil && old != e && !slices.Contains(all, old) {
				all = append(all, old)
			}
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.Number, b.Number) })
	var divided []*assign.Table
	for _, one := range append(all, e) {
		s.authz.Use(one.authz)
		s.ratelimit.Use(one.ratelimit)
		divided = append(divided, one.assign)
	}
	s.assign.Use(divided...)
	s.analytics.Use(e.analytics)
}

// setLive makes an entry the one by which requests are explained and faulty APIs replaced. before is what was so before (nil:
// it is no change).
func (s *Server) setLive(e *entry, before *live) {
	now := &live{compiled: e.compiled, documents: e.documents, entry: e.Number, since: s.options.Now(), substitutions: e.substitutions}
	for _, q := range e.substitutions {
		now.faults = append(now.faults, q.Faults...)
		if before != nil {
			s.log.Error("quarantined", "object", q.Object.String(), "with", q.With, "faults", q.Faults.Error())
		}
	}
	s.logKept(s.live.Load().compiled, e.compiled)
	s.live.Store(now)
	s.want()
	s.log.Info("revision in use", "entry", e.Number, "revision", e.revision.ID, "routes", len(e.revision.Routes), "quarantined", len(e.substitutions))
	s.options.Used(e.revision)
}

// pruneEntries forgets entries that no node has any more.
func (s *Server) pruneEntries() {
	keep := map[int64]bool{s.live.Load().entry: true}
	for _, state := range s.rollouts.States() {
		for _, v := range state.Versions() {
			keep[v.Entry] = true
		}
	}
	s.entries.prune(keep)
	s.want()
}

// want watches what all entries want that some node has or is to have. Of two objects of one name the newer counts.
func (s *Server) want() {
	all := s.entries.all()
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(b.Number, a.Number) })
	union := *all[0].revision
	union.Upstreams, union.Issuers, union.Bundles, union.Routes = nil, nil, nil, nil
	upstreams, issuers, seen := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range all {
		union.Routes = append(union.Routes, e.revision.Routes...)
		for _, u := range e.revision.Upstreams {
			if !upstreams[u.Name] {
				upstreams[u.Name] = true
				union.Upstreams = append(union.Upstreams, u)
			}
		}
		for _, b := range e.revision.Bundles {
			if !seen[b.Name] {
				seen[b.Name] = true
				union.Bundles = append(union.Bundles, b)
			}
		}
		for _, i := range e.revision.Issuers {
			if !issuers[i.Name] {
				issuers[i.Name] = true
				union.Issuers = append(union.Issuers, i)
			}
		}
	}
	s.observed.Want(&union)
	s.bundles.want(union.Bundles)
}
