package ratelimit

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxCounters bounds how many limits are counted by name; those beyond share one counter whose API is "other".
const maxCounters = 2_000

// Counts is what the service has counted since it began. Nothing in it grows with the number of keys.
type Counts struct {
	Unknown uint64 // Calls not understood: foreign domain, unknown rules or limit, a key that is not the limit's.
	// Strangers is how many calls came of Envoys that may not ask for that route's fleet, or that contradict their certificates.
	Strangers uint64
	Away      uint64 // Calls for which the store could not be asked.
	Failed    uint64 // Calls that a defect of ours ended.
	Limits    []LimitCount
}

// LimitCount is what was counted for one limit, over all its keys.
type LimitCount struct {
	API       string // "-" for a Route or Limit document, "other" for all limits beyond the first 2,000.
	Version   string
	Operation string // Empty for a limit of the whole API version.
	Limit     string
	Spent     uint64 // Sum of costs.
	Refunded  uint64 // Sum of what was given back.
	Refused   uint64 // Requests that it refused; the other limits of the same request do not count them.
	Over      uint64 // Requests that it would have refused, were it not in shadow mode.
	Near      uint64 // Requests that it admitted with a fifth of it or less remaining.
	Through   uint64 // Requests that went on without it, as its store could not be asked.
	Unpriced  uint64 // Requests whose cost was to be a number and was none.
}

// label names a counter.
type label struct{ api, version, operation, limit string }

func labelOf(r *gateway.Route, l gateway.Limit) label {
	if strings.HasPrefix(l.Scope, "limit/") { // All who name it share it.
		return label{api: "-", limit: l.Name}
	}
	if l.Scope == r.Name {
		return label{r.API, r.Version, r.Operation, l.Name}
	}
	return label{r.API, r.Version, "", l.Name}
}

type counter struct {
	label
	spent, refunded, refused, over, near, through, unpriced atomic.Uint64

	reported atomic.Bool // That a cost is no number.
}

func (c *counter) count() LimitCount {
	return LimitCount{
		API: c.api, Version: c.version, Operation: c.operation, Limit: c.limit,
		Spent: c.spent.Load(), Refunded: c.refunded.Load(), Refused: c.refused.Load(), Over: c.over.Load(),
		Near: c.near.Load(), Through: c.through.Load(), Unpriced: c.unpriced.Load(),
	}
}

// counter returns the counter of a label, a new one where there is none yet.
func (t *Table) counter(l label) *counter {
	if c, ok := t.counters[l]; ok {
		return c
	}
	if len(t.counters) >= maxCounters {
		l = label{api: "other"}
		if c, ok := t.counters[l]; ok {
			return c
		}
	}
	c := &counter{label: l}
	t.counters[l] = c
	return c
}

func (t *Table) counts() []LimitCount {
	counts := make([]LimitCount, 0, len(t.counters))
	for _, c := range t.counters {
		counts = append(counts, c.count())
	}
	slices.SortFunc(counts, func(a, b LimitCount) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Limit, b.Limit))
	})
	return counts
}
