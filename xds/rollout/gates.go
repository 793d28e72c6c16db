package rollout

import (
	"math"
	"time"
)

// tail is the quantile of the latency that is judged.
const tail = 0.99

// Baseline is what a wave's figures are held against.
type Baseline struct {
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors"`
	Denials  uint64 `json:"denials"`
	// Tail is the highest latency that the 99th percentile may have had, as far as so few requests tell; 0: not known.
	Tail time.Duration `json:"tail"`
	// Typical is the 99th percentile as counted.
	Typical time.Duration `json:"typical"`
}

// baseline makes of figures what others are held against.
func (f Figures) baseline() Baseline {
	b := Baseline{Requests: f.Requests, Errors: f.Errors, Denials: f.Denials}
	if f.Latency == nil || f.Latency.Count() == 0 {
		return b
	}
	n := f.Latency.Count()
	_, high := wilson(uint64(math.Round(tail*float64(n))), n)
	b.Tail, b.Typical = f.Latency.Quantile(high), f.Latency.Quantile(tail)
	return b
}

// judge holds the figures of a wave against others'. It returns which gate is broken and why, or nil. Fewer requests than
// the gates need, on either side, are judged by none.
func (g Gates) judge(f Figures, b Baseline, whose string) *Reason {
	if !g.enough(f.Requests) || !g.enough(b.Requests) {
		return nil
	}
	if g.Errors >= 0 && above(f.Errors, f.Requests, b.Errors, b.Requests, g.Errors) {
		return because(CodeErrors, "%s of %d requests to the wave were answered with 5xx, %s of %d %s",
			share(f.Errors, f.Requests), f.Requests, share(b.Errors, b.Requests), b.Requests, whose)
	}
	if g.Denials >= 0 && above(f.Denials, f.Requests, b.Denials, b.Requests, g.Denials) {
		return because(CodeDenials, "%s of %d requests to the wave were denied, %s of %d %s",
			share(f.Denials, f.Requests), f.Requests, share(b.Denials, b.Requests), b.Requests, whose)
	}
	return g.slow(f, b, whose)
}

// above reports whether a share grew by more than a margin, and surely grew.
func above(k, n, k0, n0 uint64, margin float64) bool {
	difference, atLeast := grown(k, n, k0, n0)
	return difference > margin && atLeast > 0
}

// slow judges the tail of the latency. Were the 99th percentile of the wave within the limit, one request of a hundred would
// be above the limit; the gate breaks when there are surely more. That needs no assumption about how latencies are
// distributed. The limit starts from the highest 99th percentile that the others may have.
func (g Gates) slow(f Figures, b Baseline, whose string) *Reason {
	if g.Latency < 0 || f.Latency == nil || b.Tail <= 0 {
		return nil
	}
	limit := max(time.Duration(g.Latency*float64(b.Tail)), b.Tail+g.Floor)
	n := f.Latency.Count()
	if low, _ := wilson(f.Latency.Above(limit), n); !g.enough(n) || low <= 1-tail {
		return nil
	}
	return because(CodeLatency, "the 99th percentile of %d requests to the wave is %s, that of %d %s is %s",
		n, round(f.Latency.Quantile(tail)), b.Requests, whose, round(b.Typical))
}

// enough reports whether so many requests can be judged.
func (g Gates) enough(requests uint64) bool { return requests >= uint64(max(g.Requests, 0)) } //nolint:gosec // Not negative.

func share(k, n uint64) string { return percent(float64(k) / float64(max(n, 1))) }

// round writes a latency as exact as it is known.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}
