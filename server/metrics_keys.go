package server

import "github.com/prometheus/client_golang/prometheus"

// keyMetrics tell of the API keys that are held in memory.
type keyMetrics struct {
	keys         *accountKeys
	held, failed *prometheus.Desc
}

func newKeyMetrics(k *accountKeys) *keyMetrics {
	return &keyMetrics{
		keys:   k,
		held:   describeMetric("api_keys", "API keys that are held in memory, with those that ended in the last 30 days."),
		failed: describeMetric("api_keys_follow_failures_total", "Times that changes of API keys could not be read from the store; those that are known count on."),
	}
}

// Describe tells Prometheus what there is.
func (m *keyMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.held
	out <- m.failed
}

// Collect reads what is held.
func (m *keyMetrics) Collect(out chan<- prometheus.Metric) {
	gauge(out, m.held, float64(m.keys.held()))
	counter(out, m.failed, m.keys.failed.Load())
}
