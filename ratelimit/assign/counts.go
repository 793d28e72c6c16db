package assign

import (
	"cmp"
	"slices"
	"sync"

	"github.com/gatehouse/gatehouse/ratelimit/share"
)

// maxCounters bounds how many limits are counted by name; those beyond share one whose API is "other".
const maxCounters = 2_000

// Counts is what the service has counted since it began.
type Counts struct {
	Streams int64  // Open now.
	Refused uint64 // Streams that did not say, or could not prove, of whom they are.
	Unknown uint64 // Reports of buckets that no limit of the fleet has.
	Away    uint64 // Times that what is assigned could not be written down or read.
	Limits  []Count
}

// Count is what was counted for one limit, as far as Envoys of this process told.
type Count struct {
	API, Version, Operation, Limit string
	Allowed, Denied                uint64  // Requests.
	Holders                        int     // Envoys that take part now.
	Assigned, Demanded, Allowance  float64 // Requests a second: what these may let through, what they are asked for, and the limit.
}

type counter struct{ allowed, denied uint64 }

// counts counts requests by limit.
type counts struct {
	mu  sync.Mutex
	all map[label]*counter
}

func (c *counts) add(l label, allowed, denied int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[l] == nil && len(c.all) >= maxCounters {
		l = label{api: "other"}
	}
	if c.all[l] == nil {
		c.all[l] = &counter{}
	}
	c.all[l].allowed += uint64(allowed) //nolint:gosec // At least 0.
	c.all[l].denied += uint64(denied)   //nolint:gosec // At least 0.
}

// show takes down how the limits stand, for Counts.
func (s *Service) show(p *page) {
	second := share.Unit.Seconds()
	t := s.table.Load()
	list := make([]Count, 0, len(t.limits))
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	for b, l := range t.limits {
		c := Count{API: l.label.api, Version: l.label.version, Operation: l.label.operation, Limit: l.label.limit, Allowance: float64(l.Rate) / second}
		if n := s.counts.all[l.label]; n != nil {
			c.Allowed, c.Denied = n.allowed, n.denied
		}
		if d := p.Divisions[b.String()]; d != nil {
			for _, h := range d.Holders {
				if h.Owner == s.owner && !h.Lost {
					c.Holders++
					c.Assigned += float64(h.Now.Rate) / second
					c.Demanded += float64(h.Demand) / second
				}
			}
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Limit, b.Limit))
	})
	s.tell.Store(&list)
}

// Counts returns what was counted until now, limits in order of their names.
func (s *Service) Counts() Counts {
	c := Counts{Streams: s.streams.Load(), Refused: s.refused.Load(), Unknown: s.unknown.Load(), Away: s.away.Load()}
	if list := s.tell.Load(); list != nil {
		c.Limits = *list
	}
	return c
}
