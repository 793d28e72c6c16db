package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// recentRollouts is how many of the newest rollouts are looked at for what other replicas have stored.
const recentRollouts = 100

// newer is a state that another replica has stored.
type newer struct {
	state rollout.State
	line  store.Rollout
}

// newer returns the states that differ from what this replica stored or read last; all where all is set. What it returns is not
// noted as read before took is called.
func (l *ledger) newer(ctx context.Context, all bool) ([]newer, error) {
	found, err := l.newest(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []newer
	for fleet, r := range found {
		last := l.last[fleet]
		if !all && last != nil && last.stored.ID == r.ID && last.stored.Version >= r.Version {
			continue
		}
		s, err := readState(r)
		if err != nil {
			return nil, err
		}
		if !s.Base.None() || s.Active() || last != nil {
			out = append(out, newer{s, r})
		}
	}
	slices.SortFunc(out, func(a, b newer) int { return cmp.Compare(a.state.Fleet, b.state.Fleet) })
	return out, nil
}

// took notes that a state was taken over.
func (l *ledger) took(r store.Rollout) {
	s, err := readState(r)
	if err != nil {
		return // It was read once before.
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[r.Fleet] = &line{stored: r, began: s.Rollout.Began}
}

// newest returns the newest rollout of each fleet, as stored.
func (l *ledger) newest(ctx context.Context) (map[string]store.Rollout, error) {
	open, err := l.server.store.Rollouts.Open(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	known := maps.Clone(l.last)
	l.mu.Unlock()
	var highest int64
	for _, last := range known {
		highest = max(highest, last.stored.ID)
	}
	list, err := l.server.store.Rollouts.List(ctx, "", recentRollouts)
	if err == nil && len(list) == recentRollouts && list[len(list)-1].ID > highest+1 {
		list, err = l.server.store.Rollouts.List(ctx, "", 10*recentRollouts) // Much happened meanwhile.
	}
	if err != nil {
		return nil, err
	}
	out := map[string]store.Rollout{}
	for _, r := range append(open, list...) {
		if before, is := out[r.Fleet]; !is || before.ID < r.ID || before.ID == r.ID && before.Version < r.Version {
			out[r.Fleet] = r
		}
	}
	for fleet, last := range known {
		if _, is := out[fleet]; is || !last.stored.Finished.IsZero() {
			continue
		}
		r, err := l.server.store.Rollouts.Get(ctx, last.stored.ID) // It has ended, longer ago than what was read.
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[fleet] = r
	}
	return out, nil
}

func readState(r store.Rollout) (rollout.State, error) {
	var s rollout.State
	if err := json.Unmarshal(r.Body, &s); err != nil || s.Rollout == nil {
		return s, errors.Join(fmt.Errorf("rollout %d of fleet %s cannot be read", r.ID, r.Fleet), err)
	}
	return s, nil
}
