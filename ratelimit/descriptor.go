package ratelimit

import (
	"fmt"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/envoy"
)

// read makes the charges of a request. An error says what was not understood; no value of a key is in it, as it may be a secret.
func (w *work) read(tables tables, who asker, req *rlsv3.RateLimitRequest) error {
	if req.GetDomain() != envoy.RateLimitDomain {
		return fmt.Errorf("domain %.64q is not %q", req.GetDomain(), envoy.RateLimitDomain)
	}
	if n := len(req.GetDescriptors()); n == 0 || n > maxLimits {
		return fmt.Errorf("%d descriptors, where 1 to %d are answered", n, maxLimits)
	}
	for _, d := range req.GetDescriptors() {
		entries := d.GetEntries()
		if len(entries) < 2 || entries[0].GetKey() != envoy.DescriptorRules || entries[1].GetKey() != envoy.DescriptorLimit {
			return fmt.Errorf("a descriptor that does not begin with %q and %q", envoy.DescriptorRules, envoy.DescriptorLimit)
		}
		rules, ok := tables.find(entries[0].GetValue(), who)
		if !ok {
			return fmt.Errorf("rules %.64q are unknown", entries[0].GetValue())
		}
		l := rules.named(entries[1].GetValue())
		if l == nil {
			return fmt.Errorf("rules %q have no limit %.64q", entries[0].GetValue(), entries[1].GetValue())
		}
		if err := w.descriptor(l, entries[2:], hits(req, d)); err != nil {
			return err
		}
	}
	return nil
}

// descriptor adds the charges of a limit, its key filled from the entries: in the order of the limit's key, left out where the
// request has no such value.
func (w *work) descriptor(l *limit, entries []*ratelimitcommonv3.RateLimitDescriptor_Entry, hits int64) error {
	w.begin(l)
	a := &w.asked[len(w.asked)-1]
	if len(entries) > 0 && entries[0].GetKey() == envoy.DescriptorDone {
		a.done = true
		entries = entries[1:]
	}
	for _, part := range l.entries {
		if len(entries) > 0 && entries[0].GetKey() == part {
			w.keys = appendValue(w.keys, entries[0].GetValue())
			entries = entries[1:]
			continue
		}
		w.keys = appendAbsent(w.keys)
	}
	cost := l.costOf(hits)
	if l.later && !a.done {
		cost = 1
	}
	reached := false
	for len(entries) > 0 && !reached {
		switch entries[0].GetKey() {
		case envoy.DescriptorCost:
			var known bool
			if cost, known = l.costOfText(entries[0].GetValue(), 1); !known {
				a.unpriced = true
			}
		case envoy.DescriptorReached:
			reached = true
		default:
			return fmt.Errorf("limit %q has no %.64q in its key at that place", l.name, entries[0].GetKey())
		}
		entries = entries[1:]
	}
	switch {
	case reached && a.done:
		cost = 0
	case l.later && a.done: // 1 was spent when the request came.
		cost--
	}
	w.charge(cost)
	return nil
}
