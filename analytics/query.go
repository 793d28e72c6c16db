package analytics

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
)

// ErrQuery is wrapped by the errors of queries that make no sense.
var ErrQuery = errors.New("the query makes no sense")

// Dimension is something by which totals can be told apart.
type Dimension string

// The dimensions. Their values are those of a Key.
const (
	ByFleet     Dimension = "fleet"
	ByNode      Dimension = "node"
	ByAPI       Dimension = "api"
	ByVersion   Dimension = "version"
	ByOperation Dimension = "operation"
	ByRules     Dimension = "rules"
	ByClass     Dimension = "class"
)

// Query asks for totals.
type Query struct {
	By        []Dimension          // One total for each combination of their values; empty: one total of everything.
	Where     map[Dimension]string // Only what has all of these values.
	Quantiles []float64            // Each from 0 to 1.
}

// Total answers a query for one combination of values.
type Total struct {
	Key
	Sums
	// Latencies has the latency at each of the query's quantiles, 1 % exact; nil where no latency is known. Below 10 us and
	// above 24 h it is cut off.
	Latencies []time.Duration
}

// Query returns the totals since the start of the process, those with most requests first, then by name. It returns an
// error that wraps ErrQuery for unknown dimensions and quantiles outside 0 to 1.
func (s *Service) Query(q Query) ([]Total, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	groups := map[Key]*group{}
	s.rollups.each(func(k Key, one *series) {
		if !q.selects(&k) {
			return
		}
		k = q.group(&k)
		g, ok := groups[k]
		if !ok {
			g = &group{}
			groups[k] = g
		}
		g.sums.add(one.sums)
		if len(q.Quantiles) == 0 || one.latency == nil {
			return
		}
		if g.latency == nil {
			g.latency = s.rollups.sketch()
		}
		_ = g.latency.MergeWith(one.latency) // fails only for different mappings
	})
	totals := make([]Total, 0, len(groups))
	for k, g := range groups {
		latencies, err := g.quantiles(q.Quantiles)
		if err != nil {
			return nil, err
		}
		totals = append(totals, Total{Key: k, Sums: g.sums, Latencies: latencies})
	}
	slices.SortFunc(totals, func(a, b Total) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), a.compare(&b.Key))
	})
	return totals, nil
}

// group is what a query adds up for one total.
type group struct {
	sums    Sums
	latency *ddsketch.DDSketch
}

func (g *group) quantiles(quantiles []float64) ([]time.Duration, error) {
	if g.latency == nil {
		return nil, nil
	}
	seconds, err := g.latency.GetValuesAtQuantiles(quantiles)
	if err != nil {
		return nil, fmt.Errorf("read quantiles: %w", err)
	}
	latencies := make([]time.Duration, len(seconds))
	for i, v := range seconds {
		latencies[i] = time.Duration(v * float64(time.Second))
	}
	return latencies, nil
}

func (q *Query) check() error {
	for _, d := range append(slices.Collect(maps.Keys(q.Where)), q.By...) {
		if (&Key{}).field(d) == nil {
			return fmt.Errorf("%w: there is no dimension %q", ErrQuery, d)
		}
	}
	for _, v := range q.Quantiles {
		if !(v >= 0 && v <= 1) { // also not a number
			return fmt.Errorf("%w: the quantile %v is not between 0 and 1", ErrQuery, v)
		}
	}
	return nil
}

func (q *Query) selects(k *Key) bool {
	for d, value := range q.Where {
		if *k.field(d) != value {
			return false
		}
	}
	return true
}

// group returns the key with only the dimensions that the query keeps.
func (q *Query) group(k *Key) Key {
	var kept Key
	for _, d := range q.By {
		*kept.field(d) = *k.field(d)
	}
	return kept
}

// field returns where a key keeps a dimension, nil for none.
func (k *Key) field(d Dimension) *string {
	switch d {
	case ByFleet:
		return &k.Fleet
	case ByNode:
		return &k.Node
	case ByAPI:
		return &k.API
	case ByVersion:
		return &k.Version
	case ByOperation:
		return &k.Operation
	case ByRules:
		return &k.Rules
	case ByClass:
		return &k.Class
	}
	return nil
}

func (k *Key) compare(o *Key) int {
	return cmp.Or(
		cmp.Compare(k.Fleet, o.Fleet), cmp.Compare(k.Node, o.Node), cmp.Compare(k.API, o.API),
		cmp.Compare(k.Version, o.Version), cmp.Compare(k.Operation, o.Operation),
		cmp.Compare(k.Rules, o.Rules), cmp.Compare(k.Class, o.Class),
	)
}
