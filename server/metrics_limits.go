package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// limitsMetrics reads the counters of the shared store of limits.
type limitsMetrics struct {
	store                       *redis.Store
	up, breaks, failed, refused *prometheus.Desc
	calls, batches, refusedHere *prometheus.Desc
	leases, spentHere, returned *prometheus.Desc
}

func newLimitsMetrics(store *redis.Store) *limitsMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
	}
	return &limitsMetrics{
		store:   store,
		up:      desc("limit_store_up", "1 while the shared store of limits answers."),
		breaks:  desc("limit_store_breaks_total", "Times that the shared store of limits went away."),
		failed:  desc("limit_store_failed_total", "Calls to the shared store of limits that failed or took too long."),
		refused: desc("limit_store_refused_total", "Calls that were not made, as the shared store of limits was away or too many waited."),
		calls:   desc("limit_store_calls_total", "Calls that went to the shared store of limits."),
		batches: desc("limit_store_batches_total", "Times that the shared store was asked, each for all calls that came meanwhile."),
		refusedHere: desc("limit_store_refused_here_total",
			"Calls that were refused without asking the shared store, as it was known to refuse them."),
		leases:    desc("limit_store_leases", "Of how many buckets of the shared store something is borrowed."),
		spentHere: desc("limit_store_spent_here_total", "Calls that were admitted without asking the shared store, from what was borrowed."),
		returned:  desc("limit_store_returned_total", "What was borrowed from the shared store, not spent, and given back."),
	}
}

// Describe tells Prometheus what there is.
func (m *limitsMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.up, m.breaks, m.failed, m.refused, m.calls, m.batches, m.refusedHere, m.leases, m.spentHere, m.returned,
	} {
		out <- d
	}
}

// Collect reads the counters.
func (m *limitsMetrics) Collect(out chan<- prometheus.Metric) {
	counts, up := m.store.Counts(), 0.0
	if counts.Up {
		up = 1
	}
	gauge(out, m.up, up)
	counter(out, m.breaks, counts.Breaks)
	counter(out, m.failed, counts.Failed)
	counter(out, m.refused, counts.Refused)
	counter(out, m.calls, counts.Calls)
	counter(out, m.batches, counts.Batches)
	counter(out, m.refusedHere, counts.RefusedHere)
	gauge(out, m.leases, float64(counts.Leases))
	counter(out, m.spentHere, counts.SpentHere)
	counter(out, m.returned, counts.Returned)
}

// collectLimit reads the counters of one limit. What never happened to it has no series, but for what it spent and refused.
func (m *metrics) collectLimit(out chan<- prometheus.Metric, l ratelimit.LimitCount) {
	for _, c := range []struct {
		result string
		count  uint64
		always bool
	}{
		{"spent", l.Spent, true},
		{"refused", l.Refused, true},
		{"refunded", l.Refunded, false},
		{"shadow-refused", l.Over, false},
		{"near", l.Near, false},
		{"let-through", l.Through, false},
		{"unpriced", l.Unpriced, false},
	} {
		if c.always || c.count > 0 {
			counter(out, m.limits, c.count, l.API, l.Version, l.Operation, l.Limit, c.result)
		}
	}
}
