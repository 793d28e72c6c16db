package gateway

import "time"

// DistributedLimits returns the limits of a route that each Envoy enforces by itself.
func (r *Route) DistributedLimits() []Limit {
	var out []Limit
	for _, l := range r.Limits {
		if l.Enforce == Distributed {
			out = append(out, l)
		}
	}
	return out
}

// leastBurst is how many requests may come at once under a distributed limit whose burst is not written, where the limit is not
// smaller: each Envoy needs a part of them.
const leastBurst = 10

// DistributedBurst returns the burst of a distributed limit where none is written: what the limit lets through in a second.
func DistributedBurst(w Window) int64 {
	if w.Per <= time.Second {
		return max(w.Limit, 1)
	}
	second := int64(float64(w.Limit) / w.Per.Seconds())
	return max(1, min(w.Limit, max(second, leastBurst)))
}
