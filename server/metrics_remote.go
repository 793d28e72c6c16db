package server

import "github.com/prometheus/client_golang/prometheus"

// remoteMetrics reads what was counted about Envoys of other hosts. Labels are bounded: never a node or a token.
type remoteMetrics struct {
	server                     *Server
	joins, strangers, rootsEnd *prometheus.Desc
}

func newRemoteMetrics(s *Server) *remoteMetrics {
	return &remoteMetrics{
		server:    s,
		joins:     describeMetric("join_calls_total", "Calls of the joining service, by how they ended: joined, renewed, refused, limited.", "result"),
		strangers: describeMetric("strangers_total", "Calls of Envoys for another fleet than their certificate's, or that contradict it; they are refused.", "service"),
		rootsEnd:  describeMetric("authority_expires_seconds", "When the root that signs expires, in seconds since the epoch."),
	}
}

// Describe tells Prometheus what there is.
func (m *remoteMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.joins
	out <- m.strangers
	out <- m.rootsEnd
}

// Collect reads the counters.
func (m *remoteMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.server
	counter(out, m.strangers, s.impostors.Load(), "any")
	counter(out, m.strangers, s.authz.Counts().Strangers, "authorization")
	counter(out, m.strangers, s.ratelimit.Counts().Strangers, "limits")
	if s.remote == nil {
		return
	}
	c := s.remote.joining.Counts()
	counter(out, m.joins, c.Joined, "joined")
	counter(out, m.joins, c.Renewed, "renewed")
	counter(out, m.joins, c.Refused, "refused")
	counter(out, m.joins, c.Limited, "limited")
	gauge(out, m.rootsEnd, float64(s.remote.authority.Expires().Unix()))
}
