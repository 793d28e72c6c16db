package server

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

const (
	// followEvery is how often a replica looks at the store where nobody told it of a change: a word may be lost.
	followEvery = 2 * time.Second
	// beginTries is how often a rollout is begun anew where another replica was faster.
	beginTries = 5
	// beginLate is how long whoever made an entry has to begin its rollout, before the leader does it in its place.
	beginLate = 3 * time.Second
)

// following keeps a replica where the others are: it hears of every change of the store, and takes it over.
func (s *Server) following() alone {
	return newAlone("following", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() { s.followStore(ctx) })
		return nil
	})
}

// unread is what changed in the store and was not read yet.
type unread struct {
	rollouts, nodes, authority bool
	observed                   map[string]bool // kind/name; nil: all.
}

func everything() unread { return unread{rollouts: true, nodes: true, authority: true} }

// hear notes a notice.
func (u *unread) hear(n store.Notice, e *election) {
	switch n.Concern {
	case "":
		*u = everything()
		e.poke()
	case store.ConcernHistory, store.ConcernRollouts:
		u.rollouts = true
	case store.ConcernNodes:
		u.nodes = true
	case store.ConcernAuthority:
		u.authority = true
	case store.ConcernObserved:
		if u.observed != nil {
			u.observed[n.Key] = true
		}
	case store.ConcernLeases:
		e.poke()
	}
}

// wants reports whether an observed value is to be read.
func (u *unread) wants(kind, name string) bool { return u.observed == nil || u.observed[kind+"/"+name] }

// followStore takes over what changes in the store until ctx ends. What fails is logged once, and tried again.
func (s *Server) followStore(ctx context.Context) {
	notices := s.store.Watch(ctx)
	again := time.NewTicker(jittered(followEvery))
	defer again.Stop()
	todo, away := everything(), false
	var lost strand
	for {
		select {
		case <-ctx.Done():
			return
		case n, open := <-notices:
			if !open {
				return
			}
			todo.hear(n, s.cluster.election)
		case <-again.C:
			todo.rollouts = true // An entry whose rollout nobody has begun is found so, too.
			if away {
				todo = everything()
			}
		}
		if !drained(notices, &todo, s.cluster.election) {
			return
		}
		err := s.takeOverChanges(ctx, &todo)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			s.log.Error("the store cannot be followed: what is known is served on", "error", err)
		case err == nil && away:
			s.log.Info("the store is followed again")
		}
		if away = err != nil; !away {
			now := s.options.Now()
			s.cluster.followed.Store(&now)
		}
		if lost.release(s.options.Now(), away) {
			s.log.Warn("without the store for long: Envoys look for another replica", "since", lost.since, "nodes", s.xds.Release())
		}
	}
}

// drained takes the notices that are there already. It reports false where there will be none any more.
func drained(notices <-chan store.Notice, todo *unread, e *election) bool {
	for {
		select {
		case n, open := <-notices:
			if !open {
				return false
			}
			todo.hear(n, e)
		default:
			return true
		}
	}
}

// takeOverChanges takes over what changed, and notes what of it is done.
func (s *Server) takeOverChanges(ctx context.Context, todo *unread) error {
	ctx, cancel := context.WithTimeout(ctx, handOverLimit)
	defer cancel()
	if todo.observed == nil || len(todo.observed) > 0 {
		if err := s.takeObserved(ctx, todo); err != nil {
			return err
		}
		todo.observed = map[string]bool{}
	}
	if todo.rollouts {
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		todo.rollouts = false
	}
	if todo.nodes {
		if err := s.known.load(ctx, s.store.Nodes); err != nil {
			return err
		}
		todo.nodes = false
	}
	if todo.authority {
		if s.remote != nil {
			if err := s.remote.authority.Tend(ctx); err != nil {
				return err
			}
		}
		todo.authority = false
	}
	return nil
}

// catchUp takes over the rollouts that other replicas have begun or taken further. In a store that is not shared there are none.
func (s *Server) catchUp(ctx context.Context) error {
	if s.cluster == nil {
		return nil
	}
	if err := s.reloading.LockUntil(ctx); err != nil {
		return err
	}
	defer s.reloading.Unlock()
	return s.takeUp(ctx, false)
}

// takeUp does it with the lock of reloads held. Where a replica begins to lead it takes up all states anew: nobody watched
// meanwhile.
func (s *Server) takeUp(ctx context.Context, anew bool) error {
	var taken []rollout.State
	err := s.rollouts.Follow(ctx, func(ctx context.Context) ([]rollout.State, error) {
		newer, err := s.ledger.newer(ctx, anew)
		if err != nil {
			return nil, err
		}
		for _, n := range newer {
			if err := s.atHand(ctx, n.state); errors.Is(err, store.ErrAway) || ctx.Err() != nil {
				return nil, errors.Join(err, context.Cause(ctx))
			} else if err != nil {
				s.cluster.complain(n.state.Fleet, func() {
					s.log.ErrorContext(ctx, "what a fleet is to have cannot be rebuilt at this replica: its nodes here keep what they have",
						"fleet", n.state.Fleet, "error", err)
				})
				continue
			}
			s.cluster.complain(n.state.Fleet, nil)
			s.ledger.took(n.line)
			if anew {
				n.state = n.state.Restarted(s.options.Now())
			}
			taken = append(taken, n.state)
		}
		return taken, nil
	})
	if err != nil {
		return err
	}
	latest, err := s.store.History.Latest(ctx)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if latest.Number > s.latest.Number || latest.State != s.latest.State {
		s.latest = latest
	}
	if err := s.showNewest(ctx, len(taken) > 0); err != nil {
		return err
	}
	if len(taken) > 0 {
		s.pruneEntries()
	}
	if s.cluster.leads.Load() && s.options.Now().Sub(s.latest.Changed) >= beginLate {
		return s.beginForMaker(ctx)
	}
	return nil
}

// takeUpAll takes everything up before something new is founded on it: also an entry that another replica has made a moment ago,
// and whose rollout it has not begun yet.
func (s *Server) takeUpAll(ctx context.Context) error {
	if s.cluster == nil {
		return nil
	}
	clear(s.cluster.resting) // Somebody asks: perhaps what was missing is there now.
	if err := s.takeUp(ctx, false); err != nil {
		return err
	}
	return s.beginForMaker(ctx)
}

// atHand makes the services know what a fleet may have by a state, before any Envoy gets it.
func (s *Server) atHand(ctx context.Context, state rollout.State) error {
	for _, v := range state.Versions() {
		if v.None() || s.entries.get(v.Entry) != nil {
			continue
		}
		e, err := s.rebuildAgain(ctx, v.Entry)
		if err != nil {
			return err
		}
		s.useServices(e)
		s.entries.put(e)
	}
	return nil
}

// showNewest makes the newest entry that a fleet has, or gets, the one that is shown. One that is for no fleet is shown when it is
// the newest of all.
func (s *Server) showNewest(ctx context.Context, changed bool) error {
	var newest *entry
	for _, state := range s.rollouts.States() {
		for _, v := range state.Versions() {
			if e := s.entries.get(v.Entry); e != nil && (newest == nil || newest.Number < e.Number) {
				newest = e
			}
		}
	}
	now := s.live.Load().entry
	if s.latest.State == stateLive && (newest == nil || s.latest.Number > newest.Number) {
		if s.latest.Number == now {
			return nil
		}
		e, err := s.rebuildAgain(ctx, s.latest.Number)
		if err != nil {
			return err
		}
		s.useServices(e)
		s.entries.put(e)
		newest = e
	} else if !changed {
		return nil
	}
	if newest != nil && newest.Number != now {
		s.setLive(newest, nil)
	}
	return nil
}

// beginForMaker begins the rollout of the newest entry where the replica that made it has not. Both may do so at once.
func (s *Server) beginForMaker(ctx context.Context) error {
	if s.latest.State != stateRolling {
		return nil
	}
	begun, err := s.begun(ctx)
	if begun || err != nil {
		return err
	}
	e, err := s.rebuildAgain(ctx, s.latest.Number)
	if err != nil {
		return err
	}
	s.log.Info("the rollout of an entry is begun in the place of the replica that made it", "entry", e.Number)
	return s.rollOut(ctx, e)
}

// beginRollouts begins the rollout of an entry in its fleets, again where another replica stored something meanwhile. Where that is
// a newer entry, this one is superseded.
func (s *Server) beginRollouts(ctx context.Context, e *entry, changes map[string]rollout.Change) error {
	for range beginTries {
		err := s.rollouts.Begin(ctx, changes)
		if s.cluster == nil || !errors.Is(err, rollout.ErrChanged) {
			return err
		}
		if err := s.takeUp(ctx, false); err != nil {
			return err
		}
		for _, state := range s.rollouts.States() {
			for _, v := range state.Versions() {
				if v.Entry > e.Number {
					s.setState(ctx, e.Number, stateSuperseded, "a newer entry came first at another replica")
					return nil
				}
			}
		}
	}
	return rollout.ErrChanged
}

// order does something to rollouts that another replica may have taken further meanwhile, founded on what is stored.
func (s *Server) order(ctx context.Context, do func() error) error {
	for range beginTries {
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		if err := do(); s.cluster == nil || !errors.Is(err, rollout.ErrChanged) {
			return err
		}
	}
	return rollout.ErrChanged
}

// takeObserved takes over what other replicas have observed or were told.
func (s *Server) takeObserved(ctx context.Context, todo *unread) error {
	s.bundles.poke(todo.wants)
	if err := s.observed.Recall(ctx, todo.wants); err != nil {
		return err
	}
	for key := range todo.observed {
		if kind, _, _ := strings.Cut(key, "/"); kind == kindOrder {
			return s.obey(ctx)
		}
	}
	if todo.observed == nil {
		return s.obey(ctx)
	}
	return nil
}
