package server

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
)

// seriesLabels name a series: its domain and the keys, or keys and values, of its first entries; the last holds all further ones
// joined by dots.
func seriesLabels() []string { return []string{"domain", "key1", "key2", "key3", "key4"} }

// registerMetrics adds the metrics of a LimitsAlone: envoyproxy/ratelimit's by the names that its Prometheus mapping gives them,
// and Gatehouse's own.
func (s *LimitsAlone) registerMetrics() {
	theirs := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ratelimit_service_"+name, help, labels, nil)
	}
	own := func(name, help string) *prometheus.Desc { return prometheus.NewDesc("gatehouse_"+name, help, nil, nil) }
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &aloneMetrics{
		alone:   s,
		total:   theirs("rate_limit_total_hits", "Hits on a limit.", seriesLabels()...),
		within:  theirs("rate_limit_within_limit", "Hits within a limit.", seriesLabels()...),
		near:    theirs("rate_limit_near_limit", "Hits within a limit, near it.", seriesLabels()...),
		over:    theirs("rate_limit_over_limit", "Hits over a limit.", seriesLabels()...),
		shadow:  theirs("rate_limit_shadow_mode", "Hits over a limit that its shadow mode let through.", seriesLabels()...),
		global:  theirs("global_shadow_mode", "Calls that the shadow mode of the service let through."),
		calls:   theirs("total_requests", "Calls.", "grpc_method"),
		errors:  theirs("should_rate_limit_error", "Calls answered with an error.", "err_type"),
		good:    theirs("config_load_success", "Times that the files were taken into use."),
		bad:     theirs("config_load_error", "Times that the files were refused."),
		strange: own("limits_unknown_domain_total", "Calls with a domain that no file has; nothing limits them."),
		buckets: own("limits_buckets", "Buckets held in memory."),
		evicted: own("limits_buckets_evicted_total", "Buckets dropped from memory that were not empty."),
		up:      own("limits_store_up", "1 while the store of limits answers."),
		ready:   own("ready", "1 when there are limits to answer by."),
	})
}

// aloneMetrics reads the counters of a LimitsAlone when Prometheus asks.
type aloneMetrics struct {
	alone *LimitsAlone

	total, within, near, over, shadow    *prometheus.Desc
	global, calls, errors, good, bad     *prometheus.Desc
	strange, buckets, evicted, up, ready *prometheus.Desc
}

// Describe tells Prometheus what there is.
func (m *aloneMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.total, m.within, m.near, m.over, m.shadow, m.global, m.calls, m.errors, m.good, m.bad, m.strange, m.buckets, m.evicted, m.up, m.ready,
	} {
		out <- d
	}
}

// Collect reads the counters.
func (m *aloneMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.alone
	counts := s.service.Counts()
	for labels, c := range summed(counts.Series) {
		counter(out, m.total, c.Total, labels[:]...)
		counter(out, m.within, c.Within, labels[:]...)
		counter(out, m.near, c.Near, labels[:]...)
		counter(out, m.over, c.Over, labels[:]...)
		counter(out, m.shadow, c.Shadow, labels[:]...)
	}
	counter(out, m.global, counts.Shadow)
	counter(out, m.calls, counts.Calls, "ShouldRateLimit")
	counter(out, m.errors, counts.Away, "redis_error")
	counter(out, m.errors, counts.Invalid, "service_error")
	counter(out, m.errors, counts.Failed, "internal_error")
	counter(out, m.good, s.loads.good.Load())
	counter(out, m.bad, s.loads.bad.Load())
	counter(out, m.strange, counts.Strange)
	up := 1.0
	if s.buckets != nil {
		gauge(out, m.buckets, float64(s.buckets.Buckets()))
		counter(out, m.evicted, s.buckets.Evicted())
	} else if !s.shared.Counts().Up {
		up = 0
	}
	gauge(out, m.up, up)
	ready := 0.0
	if s.ready() == nil {
		ready = 1
	}
	gauge(out, m.ready, ready)
}

// summed returns the counters by the values of seriesLabels. Series that look alike as labels are one, as Prometheus takes none
// twice.
func summed(all []descriptors.SeriesCount) map[[5]string]descriptors.SeriesCount {
	sums := make(map[[5]string]descriptors.SeriesCount, len(all))
	for _, c := range all {
		labels := labelsOf(c.Series)
		sum := sums[labels]
		sum.Total += c.Total
		sum.Within += c.Within
		sum.Near += c.Near
		sum.Over += c.Over
		sum.Shadow += c.Shadow
		sums[labels] = sum
	}
	return sums
}

func labelsOf(series descriptors.Series) (labels [5]string) {
	for i, part := range series {
		part = strings.ToValidUTF8(part, "\uFFFD")
		if i < len(labels) {
			labels[i] = part
		} else {
			labels[len(labels)-1] += "." + part
		}
	}
	return labels
}
