package server

import "github.com/prometheus/client_golang/prometheus"

// replicaMetrics tell how a server stands to the others that share its store. Where it shares it with nobody there are none.
type replicaMetrics struct {
	server                 *Server
	leader, replicas, late *prometheus.Desc
}

func newReplicaMetrics(s *Server) *replicaMetrics {
	return &replicaMetrics{
		server:   s,
		leader:   describeMetric("leader", "1 at the replica that leads: it moves rollouts, watches the directory and fetches."),
		replicas: describeMetric("replicas", "Replicas that are alive, this one among them."),
		late:     describeMetric("store_follow_lag_seconds", "How long ago this replica last had taken over all that the store says."),
	}
}

// Describe tells Prometheus what there is.
func (m *replicaMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.leader
	out <- m.replicas
	out <- m.late
}

// Collect reads the state of this replica.
func (m *replicaMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.server
	if s.cluster == nil {
		return
	}
	gauge(out, m.leader, flag(s.cluster.leads.Load()))
	gauge(out, m.replicas, float64(len(s.cluster.peers.Load().all)+1))
	if at := s.cluster.followed.Load(); at != nil {
		gauge(out, m.late, s.options.Now().Sub(*at).Seconds())
	}
}
