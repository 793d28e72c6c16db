package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// values returns the metrics whose names begin in one of the ways given, as name{labels} in the order of Prometheus.
func values(t *testing.T, s *Server, beginnings ...string) map[string]float64 {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, beginning := range beginnings {
			if !strings.HasPrefix(f.GetName(), "gatehouse_"+beginning) {
				continue
			}
			for _, m := range f.GetMetric() {
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetValue())
				}
				out[fmt.Sprintf("%s{%s}", strings.TrimPrefix(f.GetName(), "gatehouse_"), strings.Join(labels, ","))] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return out
}

// TestDeliveryMetrics reads how a change moved, what is held back, and what was pushed.
func TestDeliveryMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const documents = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
---
kind: Upstream
name: payments
endpoints: pushed
---
kind: Upstream
name: loans
endpoints: {file: ./loans.list}
---
kind: Upstream
name: bank
endpoints: [{address: "127.0.0.1:9001"}]
`
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "loans.list"), []byte("[{address: \"127.0.0.1:9002\"}]"), 0o600),
		os.WriteFile(filepath.Join(dir, "edge.yaml"), []byte(documents), 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Config: dir, State: needs.SocketDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	if got := values(t, s, "held_entries"); len(got) > 0 {
		t.Errorf("before there is a store: %v", got)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	m := management{s}
	if _, err := m.ChangeEndpoints(t.Context(), "payments", admin.EndpointChange{Add: []admin.Endpoint{{Address: "127.0.0.1:9003", Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ChangeEndpoints(t.Context(), "bank", admin.EndpointChange{All: true}); err == nil {
		t.Fatal("endpoints that are written out were pushed")
	}
	if err := os.WriteFile(filepath.Join(dir, "loans.list"), []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.observed.Reread()
	if err := os.Remove(filepath.Join(dir, "edge.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"rollout_state{edge,rolling}": 0, "rollout_state{edge,paused}": 0, "rollout_state{edge,live}": 1,
		"rollout_state{edge,refused}": 0, "rollout_state{edge,aborted}": 0, "rollout_state{edge,superseded}": 0,
		"rollout_wave{edge}": 1, "rollout_waves{edge}": 1, "held_entries{}": 1,
		"endpoints_held{payments}": 0, "endpoints_held{loans}": 1, "endpoints_failing{payments}": 0, "endpoints_failing{loans}": 0,
		"endpoints_pushes_total{done}": 1, "endpoints_pushes_total{refused}": 1,
	}
	if diff := cmp.Diff(want, values(t, s, "rollout_", "held_", "endpoints_")); diff != "" {
		t.Error(diff)
	}
}
