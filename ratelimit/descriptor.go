package ratelimit

import (
	"fmt"
	"math"

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
		if err := w.charge(l, entries[2:], cost(req, d)); err != nil {
			return err
		}
	}
	return nil
}

// charge adds a charge for a limit, its key filled from the entries: in the order of the limit's key, left out where the
// request has no such value.
func (w *work) charge(l *limit, entries []*ratelimitcommonv3.RateLimitDescriptor_Entry, cost int64) error {
	start := len(w.keys)
	w.keys = append(w.keys, l.prefix...)
	for _, part := range l.entries {
		if len(entries) > 0 && entries[0].GetKey() == part {
			w.keys = appendValue(w.keys, entries[0].GetValue())
			entries = entries[1:]
			continue
		}
		w.keys = appendAbsent(w.keys)
	}
	if len(entries) > 0 {
		return fmt.Errorf("limit %q has no %.64q in its key at that place", l.name, entries[0].GetKey())
	}
	w.limits = append(w.limits, l)
	// The full slice expression keeps a later append from writing into this key; where it moves, this one stays as it is.
	w.charges = append(w.charges, Charge{Key: w.keys[start:len(w.keys):len(w.keys)], Window: l.window, Cost: cost})
	return nil
}

// cost returns what a descriptor costs: its own hits_addend where it has one, 0 included, which only looks; otherwise the
// request's, where 0 means not set, and not set means 1 (rls.proto and common/ratelimit/v3/ratelimit.proto of Envoy 1.40).
func cost(req *rlsv3.RateLimitRequest, d *ratelimitcommonv3.RateLimitDescriptor) int64 {
	if own := d.GetHitsAddend(); own != nil {
		return int64(min(own.GetValue(), math.MaxInt64)) //nolint:gosec // Cannot overflow after min.
	}
	return int64(max(req.GetHitsAddend(), 1))
}
