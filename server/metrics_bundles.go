package server

import "github.com/prometheus/client_golang/prometheus"

// bundleMetrics tells how following Bundles goes.
type bundleMetrics struct {
	server  *Server
	failing *prometheus.Desc
}

func newBundleMetrics(s *Server) *bundleMetrics {
	return &bundleMetrics{s, prometheus.NewDesc("gatehouse_bundles_failing", "Bundles whose last update failed; the one before is in use.", nil, nil)}
}

// Describe tells Prometheus what there is.
func (m *bundleMetrics) Describe(out chan<- *prometheus.Desc) { out <- m.failing }

// Collect asks how it goes.
func (m *bundleMetrics) Collect(out chan<- prometheus.Metric) {
	gauge(out, m.failing, float64(len(m.server.bundles.failing())))
}
