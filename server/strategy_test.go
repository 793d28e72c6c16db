package server

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// TestStrategy takes what documents say before what the options do.
func TestStrategy(t *testing.T) {
	t.Parallel()
	options := rollout.Strategy{
		Waves: []rollout.Wave{{Percent: 50}}, Soak: time.Second, Patience: time.Minute, Lag: time.Second,
		Gates: rollout.Gates{Requests: 7, Errors: 0.2},
	}
	s := &Server{options: Options{Rollout: options}}
	if diff := cmp.Diff(options, s.strategy(nil)); diff != "" {
		t.Errorf("nothing written -want +got:\n%s", diff)
	}
	got := s.strategy(&gateway.Rollout{
		Waves: []gateway.Wave{{Nodes: []string{"a"}}, {Labels: map[string]string{"tier": "canary"}}, {Percent: 12.5}},
		Soak:  time.Hour, Errors: 0.5, Denials: 2, Latency: 3,
	})
	want := rollout.Strategy{
		Waves: []rollout.Wave{{Nodes: []string{"a"}}, {Labels: map[string]string{"tier": "canary"}}, {Percent: 12.5}},
		Soak:  time.Hour, Patience: time.Minute, Lag: time.Second,
		Gates: rollout.Gates{Requests: 7, Errors: 0.005, Denials: 0.02, Latency: 3},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written -want +got:\n%s", diff)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}
