package server

import "github.com/prometheus/client_golang/prometheus"

// identityMetrics tell of guessing, and of the issuers that are asked about opaque tokens.
type identityMetrics struct {
	server                          *Server
	guesses, lockedOut, introspects *prometheus.Desc
}

func newIdentityMetrics(s *Server) *identityMetrics {
	return &identityMetrics{
		server:      s,
		guesses:     describeMetric("wrong_guesses_total", "Keys and opaque tokens that were not good, each once for an address."),
		lockedOut:   describeMetric("locked_out_total", "Proofs that were not looked at, or not believed, as too much was guessed from their address."),
		introspects: describeMetric("introspections_total", "Questions about opaque tokens: remembered, answered, failed, or refused as the issuer is left alone.", "result"),
	}
}

// Describe tells Prometheus what there is.
func (m *identityMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.guesses
	out <- m.lockedOut
	out <- m.introspects
}

// Collect reads what was counted.
func (m *identityMetrics) Collect(out chan<- prometheus.Metric) {
	checks := m.server.authz.Counts()
	counter(out, m.guesses, checks.WrongGuesses)
	counter(out, m.lockedOut, checks.LockedOut)
	asked := m.server.introspection.Counts()
	counter(out, m.introspects, asked.Remembered, "remembered")
	counter(out, m.introspects, asked.Answered, "answered")
	counter(out, m.introspects, asked.Failed, "failed")
	counter(out, m.introspects, asked.Refused, "refused")
}
