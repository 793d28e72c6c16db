package server

import "github.com/prometheus/client_golang/prometheus"

// decisionMetrics reads the counters of the decision log.
type decisionMetrics struct {
	server                *Server
	recorded, waiting, to *prometheus.Desc
}

func newDecisionMetrics(s *Server) *decisionMetrics {
	return &decisionMetrics{
		server:   s,
		recorded: describeMetric("decisions_recorded_total", "Decisions by what became of their records: written, dropped (too many waited), left (a policy said so), failed (they could not be masked).", "what"),
		waiting:  describeMetric("decisions_waiting", "Decisions that wait to be written."),
		to:       describeMetric("decisions_lost_total", "Records that a sink did not take: it was away, too slow, or had no room.", "sink"),
	}
}

// Describe tells Prometheus what there is.
func (m *decisionMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.recorded, m.waiting, m.to} {
		out <- d
	}
}

// Collect reads the counters.
func (m *decisionMetrics) Collect(out chan<- prometheus.Metric) {
	c, ok := m.server.decided.counts()
	if !ok {
		return
	}
	counter(out, m.recorded, c.Written, "written")
	counter(out, m.recorded, c.Dropped, "dropped")
	counter(out, m.recorded, c.Left, "left")
	counter(out, m.recorded, c.Failed, "failed")
	gauge(out, m.waiting, float64(c.Waiting))
	for sink, lost := range c.Lost {
		counter(out, m.to, lost, sink)
	}
}
