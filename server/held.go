package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/store"
)

// heldFrom is how many routes or clusters a change must remove at least to be held.
const heldFrom = 10

// Guard says which changes wait for somebody to confirm them.
type Guard struct {
	// Removal is the share of the routes, or of the clusters, that a change may remove; one that removes more, and at least 10,
	// is held. 0: a half; negative: nothing is held for it.
	Removal float64
}

// holds tells why a change is held; "" where it is not.
func (g Guard) holds(before, after *gateway.Revision) string {
	if len(before.Gateways) > 0 && len(after.Gateways) == 0 {
		return "it has no Gateway, and so nothing for any Envoy"
	}
	limit := g.Removal
	if limit == 0 {
		limit = 0.5
	}
	if limit < 0 {
		return ""
	}
	for _, of := range []struct {
		what          string
		before, after map[string]bool
	}{{"routes", routeNames(before), routeNames(after)}, {"clusters", clusterNames(before), clusterNames(after)}} {
		removed := 0
		for name := range of.before {
			if !of.after[name] {
				removed++
			}
		}
		if removed >= heldFrom && float64(removed) > limit*float64(len(of.before)) {
			return fmt.Sprintf("it removes %d of %d %s", removed, len(of.before), of.what)
		}
	}
	return ""
}

func routeNames(rev *gateway.Revision) map[string]bool {
	names := map[string]bool{}
	for _, r := range rev.Routes {
		names[r.Gateway.Name+" "+r.Name] = true
	}
	return names
}

func clusterNames(rev *gateway.Revision) map[string]bool {
	names := map[string]bool{}
	for _, u := range rev.Upstreams {
		names[u.Name] = true
	}
	return names
}

// supersedeHeld ends the waiting of held entries before another.
func (s *Server) supersedeHeld(ctx context.Context, number int64) {
	held, err := s.store.History.List(ctx, store.Query{States: []string{stateHeld}, Before: number})
	if err != nil {
		s.log.Error("held entries cannot be listed", "error", err)
	}
	for _, e := range held {
		s.setState(ctx, e.Number, stateSuperseded, fmt.Sprintf("entry %d came before it was confirmed", number))
	}
}

// Confirm begins the rollout of an entry that is held, or that was refused or aborted and is to be tried again. It returns
// admin.ErrNotFound where there is no such entry, and admin.ErrUnable where it is none of these, or not the newest.
func (s *Server) Confirm(ctx context.Context, number int64) error {
	if err := s.catchUp(ctx); err != nil {
		return storeAway(err)
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	stored, err := s.store.History.Get(ctx, number)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: there is no entry %d", admin.ErrNotFound, number)
	case err != nil:
		return storeAway(err)
	case !slices.Contains([]string{stateHeld, stateRefused, stateAborted}, stored.State):
		return fmt.Errorf("%w: entry %d is %s, not held", admin.ErrUnable, number, stored.State)
	case number != s.latest.Number:
		return fmt.Errorf("%w: entry %d is newer", admin.ErrUnable, s.latest.Number)
	}
	e, err := s.rebuild(ctx, number, 0)
	if err != nil {
		return err
	}
	if err := s.store.History.SetState(ctx, number, stored.State, stateRolling, ""); err != nil {
		return storeAway(err)
	}
	e.State, e.Reason = stateRolling, ""
	s.latest = e.Entry
	s.log.Info("configuration confirmed", "entry", number, "was", stored.State)
	return s.rollOut(ctx, e)
}

// held returns the entries that wait to be confirmed.
func (s *Server) held(ctx context.Context) ([]store.Entry, error) {
	return s.store.History.List(ctx, store.Query{States: []string{stateHeld}})
}
