package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// Rollouts returns the state of every fleet, and what waits to be confirmed.
func (m management) Rollouts(ctx context.Context) (admin.Deliveries, error) {
	out := admin.Deliveries{Rollouts: []admin.Rollout{}, Held: []admin.Held{}}
	for _, s := range m.rollouts.States() {
		if s.Rollout != nil {
			out.Rollouts = append(out.Rollouts, m.delivery(s))
		}
	}
	held, err := m.held(ctx)
	if err != nil {
		return out, storeAway(err)
	}
	for _, e := range held {
		out.Held = append(out.Held, admin.Held{Entry: e.Number, Created: e.Created, Reason: e.Reason})
	}
	return out, nil
}

func (m management) delivery(s rollout.State) admin.Rollout {
	r := s.Rollout
	nodes, _ := fleets(m).Observe(s.Fleet, r.To)
	out := admin.Rollout{
		Fleet: s.Fleet, Entry: r.To.Entry, Revision: r.To.Revision, From: r.From.Entry, Phase: string(r.Phase),
		Wave: r.Wave + 1, Waves: len(r.Strategy.Waves), Nodes: []admin.RolloutMember{}, Known: len(nodes),
		Default: s.Assignment().Default.Entry, Waiting: reasonOf(r.Waiting), Reason: reasonOf(r.Reason), Began: r.Began, Ended: r.Ended,
	}
	acknowledged := map[string]bool{} // At the leader it is in the state already.
	for _, n := range nodes {
		acknowledged[n.Name] = n.Connected && n.Acknowledged == r.To.Revision
	}
	for name, member := range r.Members {
		out.Nodes = append(out.Nodes, admin.RolloutMember{
			Name: name, Wave: member.Wave + 1, Acknowledged: !member.Acknowledged.IsZero() || acknowledged[name], Refused: member.Refused,
		})
	}
	slices.SortFunc(out.Nodes, func(a, b admin.RolloutMember) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func reasonOf(r *rollout.Reason) *admin.Reason {
	if r == nil {
		return nil
	}
	return &admin.Reason{Code: string(r.Code), Text: r.Text}
}

// Order pauses, resumes or aborts.
func (m management) Order(ctx context.Context, order admin.Order, fleet string) error {
	var err error
	switch order {
	case admin.Pause:
		err = m.order(ctx, func() error { return m.rollouts.Pause(ctx, fleet, admin.CallerOf(ctx).Name) })
	case admin.Resume:
		err = m.order(ctx, func() error { return m.rollouts.Resume(ctx, fleet) })
	case admin.Abort:
		err = m.order(ctx, func() error { return m.rollouts.Abort(ctx, fleet, admin.CallerOf(ctx).Name) })
	}
	if errors.Is(err, rollout.ErrNone) || errors.Is(err, rollout.ErrPaused) || errors.Is(err, rollout.ErrGoing) {
		return fmt.Errorf("%w: %w", admin.ErrUnable, err)
	}
	if errors.Is(err, rollout.ErrChanged) {
		return fmt.Errorf("%w: %w", admin.ErrUnable, err)
	}
	return storeAway(err)
}
