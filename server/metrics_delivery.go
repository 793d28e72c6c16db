package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// deliveryMetrics tell how changes move, and what is held back. Labels are bounded by the documents: fleets and upstreams.
type deliveryMetrics struct {
	server                  *Server
	phase, wave, waves      *prometheus.Desc
	held                    *prometheus.Desc
	emptied, failing, moves *prometheus.Desc
}

func newDeliveryMetrics(s *Server) *deliveryMetrics {
	return &deliveryMetrics{
		server:  s,
		phase:   describeMetric("rollout_state", "1 for the phase of a fleet's present or last rollout, 0 for the others.", "fleet", "phase"),
		wave:    describeMetric("rollout_wave", "The wave that a fleet's present or last rollout has reached, from 1.", "fleet"),
		waves:   describeMetric("rollout_waves", "How many waves that rollout has.", "fleet"),
		held:    describeMetric("held_entries", "Entries of the history that wait to be confirmed."),
		emptied: describeMetric("endpoints_held", "1 while an empty answer is held back and the last endpoints stay.", "upstream"),
		failing: describeMetric("endpoints_failing", "1 while the source of endpoints gives no answer that can be used.", "upstream"),
		moves:   describeMetric("endpoints_pushes_total", "Changes of endpoints through the management API, by how they ended: done, refused.", "result"),
	}
}

// describeMetric describes one metric of ours.
func describeMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
}

// Describe tells Prometheus what there is.
func (m *deliveryMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.phase, m.wave, m.waves, m.held, m.emptied, m.failing, m.moves} {
		out <- d
	}
}

// Collect reads the states.
func (m *deliveryMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.server
	for _, state := range s.rollouts.States() {
		r := state.Rollout
		if r == nil {
			continue
		}
		for _, phase := range phases() {
			gauge(out, m.phase, flag(r.Phase == phase), state.Fleet, string(phase))
		}
		gauge(out, m.wave, float64(r.Wave+1), state.Fleet)
		gauge(out, m.waves, float64(len(r.Strategy.Waves)), state.Fleet)
	}
	m.collectHeld(out)
	for _, set := range s.observed.States() {
		if set.Source != observed.List {
			gauge(out, m.emptied, flag(!set.Held.IsZero()), set.Upstream)
			gauge(out, m.failing, flag(set.Failure != ""), set.Upstream)
		}
	}
	counter(out, m.moves, s.pushes.done.Load(), "done")
	counter(out, m.moves, s.pushes.refused.Load(), "refused")
}

// collectHeld asks the store. Where that has no answer there is no value, which is not the same as none held.
func (m *deliveryMetrics) collectHeld(out chan<- prometheus.Metric) {
	if m.server.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	held, err := m.server.held(ctx)
	if err != nil {
		m.server.log.Warn("held entries cannot be counted", "error", err)
		return
	}
	gauge(out, m.held, float64(len(held)))
}

// phases returns every phase of a rollout.
func phases() []rollout.Phase {
	return []rollout.Phase{rollout.Rolling, rollout.Paused, rollout.Live, rollout.Refused, rollout.Aborted, rollout.Superseded}
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
