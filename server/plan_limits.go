package server

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/replay"
)

// What of the journal a plan tries limits on. It is a look, not an audit: whoever asks for a plan waits for it.
const (
	trialSince = time.Hour
	trialMost  = 20_000 // Records, the newest.
	trialTime  = 2 * time.Second
)

// tryLimits replays what this replica recorded in the last hour by the limits that a plan adds or changes.
func (m management) tryLimits(ctx context.Context, c *candidate) {
	if c.next == nil {
		return
	}
	changed := changedLimits(c.base, c.next.revision)
	journal, err := m.journal()
	if len(changed) == 0 || err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	r, faults := replay.New(c.next.revision)
	if len(faults) > 0 {
		return // The same Compile has reported them.
	}
	trials := map[string]*admin.LimitTrial{}
	trial := func(id string) *admin.LimitTrial {
		if trials[id] == nil {
			trials[id] = &admin.LimitTrial{Limit: id}
		}
		return trials[id]
	}
	for _, d := range recordedSince(ctx, journal, m.options.Now().Add(-trialSince)) {
		if ctx.Err() != nil {
			break
		}
		out, err := r.Replay(ctx, &d)
		if err != nil {
			continue // Of another operation, or not to be read.
		}
		for _, l := range out.Asked {
			if t := trial(l.ID()); changed[t.Limit] {
				t.Requests++
				if out.Refused == l {
					t.Refused++
				}
			}
		}
		for id := range out.Unsure {
			trial(id).Unknown++
		}
	}
	for id, t := range trials {
		if changed[id] {
			c.plan.Limits = append(c.plan.Limits, *t)
		}
	}
	slices.SortFunc(c.plan.Limits, func(a, b admin.LimitTrial) int { return strings.Compare(a.Limit, b.Limit) })
}

// changedLimits returns the ids of limits that the configuration in use has not, or has otherwise.
func changedLimits(base *live, next *gateway.Revision) map[string]bool {
	before := map[string]gateway.Limit{}
	if base.compiled != nil {
		for _, r := range base.revision.Routes {
			for _, l := range r.Limits {
				before[l.ID()] = l
			}
		}
	}
	changed := map[string]bool{}
	for _, r := range next.Routes {
		for _, l := range r.Limits {
			if old, ok := before[l.ID()]; !ok || !reflect.DeepEqual(old, l) {
				changed[l.ID()] = true
			}
		}
	}
	return changed
}

// recordedSince returns what the journal has from a time on, at most trialMost of the newest, in the order of time.
func recordedSince(ctx context.Context, journal *decisions.Journal, since time.Time) []gateway.Decision {
	var all []gateway.Decision
	query := decisions.Query{Since: since}
	for len(all) < trialMost && ctx.Err() == nil {
		found, next, err := journal.Page(query)
		all = append(all, found...)
		if err != nil || next == nil {
			break
		}
		query.After = next
	}
	slices.SortStableFunc(all, func(a, b gateway.Decision) int { return a.Time.Compare(b.Time) })
	return all
}
