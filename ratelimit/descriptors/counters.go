package descriptors

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxSeries bounds how many series are counted whose names hold what requests bring; those beyond share one, "other".
const maxSeries = 2_000

// Series names what is counted together: a domain, and for each entry its key, or key and value joined by "_".
type Series []string

// String joins the parts by dots, as the names of statistics of envoyproxy/ratelimit are.
func (s Series) String() string { return strings.Join(s, ".") }

// separator stands between the parts of a series in a map.
const separator = "\x00"

// counter is what is counted for one series, in hits.
type counter struct{ total, within, near, over, shadow atomic.Uint64 }

// count adds what became of some hits: before is what was spent before them, spent what is now.
func (c *counter) count(hits, before, spent, limit, near uint64, over, shadow bool) {
	if !over {
		c.within.Add(hits)
		if spent > near {
			c.near.Add(spent - max(before, near))
		}
		return
	}
	past := hits
	if before < limit && spent > limit { // Counted past the limit, and partly below it.
		past = spent - limit
		c.near.Add(limit - max(near, before))
	}
	c.over.Add(past)
	if shadow {
		c.shadow.Add(past)
	}
}

// counters are those of all series.
type counters struct {
	mu       sync.RWMutex
	rules    map[string]*counter // Of the rules in use.
	requests map[string]*counter // Of series with values of requests in them.
}

func newCounters() *counters {
	return &counters{rules: map[string]*counter{}, requests: map[string]*counter{}}
}

// use gives each limit the counter of its series: that of an earlier configuration, where it had one.
func (c *counters) use(limits []*limit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := make(map[string]*counter, len(limits))
	for _, l := range limits {
		name := strings.Join(l.series, separator)
		switch known := c.rules[name]; {
		case next[name] != nil:
		case known != nil:
			next[name] = known
		default:
			next[name] = &counter{}
		}
		l.counter = next[name]
	}
	c.rules = next
}

// named returns the counter of a series with values of requests in it.
func (c *counters) named(name []byte) *counter {
	c.mu.RLock()
	known := c.rules[string(name)]
	if known == nil {
		known = c.requests[string(name)]
	}
	c.mu.RUnlock()
	if known != nil {
		return known
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text := string(name)
	if len(c.requests) >= maxSeries {
		text = "other"
	}
	if c.requests[text] == nil {
		c.requests[text] = &counter{}
	}
	return c.requests[text]
}

// SeriesCount is what was counted for one series, in hits.
type SeriesCount struct {
	Series Series
	Total  uint64
	Within uint64 // Let through.
	Near   uint64 // Of those, the ones above the near part of the limit, 80 % unless Options say otherwise.
	Over   uint64 // Refused, or counted past the limit.
	Shadow uint64 // Of those over, the ones that shadow mode let through.
}

// counts returns all of them, in the order of their names.
func (c *counters) counts() []SeriesCount {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]SeriesCount, 0, len(c.rules)+len(c.requests))
	add := func(name string, n *counter) {
		all = append(all, SeriesCount{
			Series: strings.Split(name, separator), Total: n.total.Load(), Within: n.within.Load(), Near: n.near.Load(),
			Over: n.over.Load(), Shadow: n.shadow.Load(),
		})
	}
	for name, n := range c.rules {
		add(name, n)
	}
	for name, n := range c.requests {
		if c.rules[name] == nil { // A rule has come that has the name of a series.
			add(name, n)
		}
	}
	slices.SortFunc(all, func(a, b SeriesCount) int { return cmp.Compare(a.Series.String(), b.Series.String()) })
	return all
}

// Counts is what a Service has counted since it began. Its size is bounded by the rules and 2,001 series more.
type Counts struct {
	Calls   uint64
	Invalid uint64 // Calls without sense: no domain, no descriptors, an override without unit; or before there were rules.
	Strange uint64 // Calls with a domain that no file has. Nothing limits them.
	Away    uint64 // Calls for which the store could not be asked.
	Failed  uint64 // Calls that a defect of ours ended.
	Shadow  uint64 // Calls that only the shadow mode of the whole service let through.
	Series  []SeriesCount
}
