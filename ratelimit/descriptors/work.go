package descriptors

import (
	"errors"
	"fmt"
	"math"
	"slices"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	maxDescriptors = 256      // Of one request.
	maxCost        = 1 << 32  // Of one descriptor: more than any limit.
	maxKeys        = 16 << 10 // Bytes of keys that are kept for the next request.
	// open is the limit by which is counted what is counted also past its limit.
	open = 1 << 40
)

// item is what one descriptor of a request comes to.
type item struct {
	limit   *limit // nil: nothing limits it.
	counter *counter
	cost    int64 // At least 0.
	refund  bool
	settled bool // Counted past the limit too.
	charge  int  // Its charge; -1: none.
	// first and last are the steps by which the limit was found; none where the request brought it.
	first, last int
}

// work is what one request needs on the way, used again by later ones.
type work struct {
	items   []item
	charges []ratelimit.Charge
	results []limiter.Result
	steps   []step // Of all descriptors.
	keys    []byte // The bytes of all charges' keys.
	series  []byte
	strange bool // The domain is unknown.
}

func (w *work) emptied() *work {
	clear(w.charges) // They hold on to w.keys, and to what it was before it grew.
	clear(w.items)
	clear(w.steps)
	w.items, w.charges, w.results, w.steps = w.items[:0], w.charges[:0], w.results[:0], w.steps[:0]
	w.keys, w.series, w.strange = w.keys[:0], w.series[:0], false
	if cap(w.keys) > maxKeys {
		w.keys = nil
	}
	if cap(w.series) > maxKeys {
		w.series = nil
	}
	return w
}

// read finds the limits of a request, and makes its charges. The error says what makes no sense; no value of an entry is in it, as
// it may be a secret.
func (w *work) read(c *Config, all *counters, global modes, req *rlsv3.RateLimitRequest) error {
	switch n := len(req.GetDescriptors()); {
	case req.GetDomain() == "":
		return errors.New("the request has no domain")
	case n == 0:
		return errors.New("the request has no descriptors")
	case n > maxDescriptors:
		return fmt.Errorf("%d descriptors, where at most %d are answered", n, maxDescriptors)
	}
	domain := c.domains[req.GetDomain()]
	w.strange = domain == nil
	var replaced []string
	for _, d := range req.GetDescriptors() {
		i := item{charge: -1}
		if domain != nil {
			if err := w.find(domain, all, req.GetDomain(), d, &i); err != nil {
				return err
			}
		}
		i.cost, i.settled = cost(req, d)
		i.refund = d.GetIsNegativeHits()
		if i.limit != nil {
			replaced = append(replaced, i.limit.replaces...)
		}
		w.items = append(w.items, i)
	}
	for n := range w.items {
		w.charge(n, replaced, global, req)
	}
	return nil
}

// find finds the limit of a descriptor: the one that it brings itself, or that of the rules.
func (w *work) find(domain *rule, all *counters, name string, d *ratelimitcommonv3.RateLimitDescriptor, i *item) error {
	if own := d.GetLimit(); own != nil {
		unit := Unit(own.GetUnit()) // Both have the same numbers (type/v3/ratelimit_unit.proto).
		if length(unit) == 0 {
			return errors.New("a descriptor brings a limit without a unit")
		}
		i.limit = &limit{
			told:     &rlsv3.RateLimitResponse_RateLimit{RequestsPerUnit: own.GetRequestsPerUnit(), Unit: unit},
			requests: int64(own.GetRequestsPerUnit()),
		}
		w.series = appendSeries(w.series[:0], name, d.GetEntries(), nil, true)
		i.counter = all.named(w.series)
		return nil
	}
	i.first = len(w.steps)
	i.limit, w.steps = domain.find(d.GetEntries(), w.steps)
	i.last = len(w.steps)
	if i.limit == nil {
		return nil
	}
	i.counter = i.limit.counter
	if steps := w.steps[i.first:]; i.limit.detailed || names(steps) {
		w.series = appendSeries(w.series[:0], name, d.GetEntries(), steps, i.limit.detailed)
		i.counter = all.named(w.series)
	}
	return nil
}

// charge makes the charge of a descriptor, unless nothing limits it or another one's limit replaces its own.
func (w *work) charge(n int, replaced []string, global modes, req *rlsv3.RateLimitRequest) {
	i, d := &w.items[n], req.GetDescriptors()[n]
	if i.limit == nil || i.limit.unlimited {
		return
	}
	if name := i.limit.told.GetName(); name != "" && slices.Contains(replaced, name) {
		i.limit = nil
		return
	}
	i.counter.total.Add(uint64(i.cost)) //nolint:gosec // At least 0.
	unit, start := i.limit.told.GetUnit(), len(w.keys)
	w.keys = appendKey(w.keys, req.GetDomain(), unit, d.GetEntries(), w.steps[i.first:i.last])
	c := ratelimit.Charge{
		// The full slice expression keeps a later append from writing into this key; where it moves, this one stays as it is.
		Key:    w.keys[start:len(w.keys):len(w.keys)],
		Window: limiter.Window{Kind: limiter.Fixed, Limit: i.limit.requests, Per: length(unit)},
		Cost:   i.cost, Shadow: global.shadow || global.quota || i.limit.shadow || i.limit.quota,
	}
	switch {
	case i.refund:
		c.Cost, c.Always = -i.cost, true
	case i.settled:
		c.Window.Limit, c.Always = open, true
	}
	i.charge = len(w.charges)
	w.charges = append(w.charges, c)
}

// cost returns what a descriptor costs, and whether it says so itself: its own hits_addend where it has one, 0 included, which only
// looks; otherwise the request's, where 0 means not set, and not set means 1 (rls.proto and common/ratelimit/v3/ratelimit.proto of
// Envoy 1.40).
func cost(req *rlsv3.RateLimitRequest, d *ratelimitcommonv3.RateLimitDescriptor) (n int64, own bool) {
	if h := d.GetHitsAddend(); h != nil {
		return int64(min(h.GetValue(), maxCost)), h.GetValue() > 0
	}
	return int64(max(req.GetHitsAddend(), 1)), false
}

// seconds rounds up to whole seconds.
func seconds(ns int64) int64 { return (ns + 1e9 - 1) / 1e9 }

// toUint32 returns a number that protocol messages hold.
func toUint32(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) } //nolint:gosec // Fits.
