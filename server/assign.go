package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/ratelimit/assign"
	"github.com/gatehouse/gatehouse/store"
)

// registerLimits makes a gRPC server answer all that Envoys ask about limits.
func (s *Server) registerLimits(r grpc.ServiceRegistrar) {
	s.ratelimit.Register(r)
	s.assign.Register(r)
}

// assignments keep in the store who holds which part of a limit.
type assignments struct{ *Server }

// Load returns what was saved last.
func (a assignments) Load(ctx context.Context) ([]byte, int64, error) {
	return a.store.Assignments.Load(ctx)
}

// Save keeps a state in place of that of a version.
func (a assignments) Save(ctx context.Context, state []byte, version int64) (int64, error) {
	saved, err := a.store.Assignments.Save(ctx, state, version)
	if errors.Is(err, store.ErrConflict) {
		err = fmt.Errorf("%w: %w", assign.ErrChanged, err)
	}
	return saved, err
}

// assignMetrics tell of the limits that Envoys enforce by themselves.
type assignMetrics struct {
	service *assign.Service

	streams, strangers, unknown, away, requests, envoys, assigned, demanded, allowance *prometheus.Desc
}

func newAssignMetrics(s *assign.Service) *assignMetrics {
	limit := []string{"api", "version", "operation", "limit"}
	return &assignMetrics{
		service:   s,
		streams:   describeMetric("limit_streams", "Envoys that report about the limits that they enforce by themselves."),
		strangers: describeMetric("limit_streams_refused_total", "Such streams that did not say, or could not prove, of which node they are."),
		unknown:   describeMetric("limit_reports_unknown_total", "Reports about limits that the fleet of the Envoy does not have."),
		away:      describeMetric("limit_assignments_failed_total", "Times that what is assigned could not be written to the store or read."),
		requests:  describeMetric("limit_distributed_requests_total", "Requests counted by Envoys themselves.", append(limit, "result")...),
		envoys:    describeMetric("limit_envoys", "Envoys among which a limit is divided.", limit...),
		assigned:  describeMetric("limit_assigned", "Requests a second that these Envoys may let through.", limit...),
		demanded:  describeMetric("limit_demanded", "Requests a second that these Envoys are asked for.", limit...),
		allowance: describeMetric("limit_allowance", "Requests a second that the limit lets through.", limit...),
	}
}

// Describe tells Prometheus what there is.
func (m *assignMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.streams, m.strangers, m.unknown, m.away, m.requests, m.envoys, m.assigned, m.demanded, m.allowance} {
		out <- d
	}
}

// Collect reads the counters.
func (m *assignMetrics) Collect(out chan<- prometheus.Metric) {
	counts := m.service.Counts()
	gauge(out, m.streams, float64(counts.Streams))
	counter(out, m.strangers, counts.Refused)
	counter(out, m.unknown, counts.Unknown)
	counter(out, m.away, counts.Away)
	for _, l := range counts.Limits {
		labels := []string{l.API, l.Version, l.Operation, l.Limit}
		counter(out, m.requests, l.Allowed, append(labels, "allowed")...)
		counter(out, m.requests, l.Denied, append(labels, "refused")...)
		gauge(out, m.envoys, float64(l.Holders), labels...)
		gauge(out, m.assigned, l.Assigned, labels...)
		gauge(out, m.demanded, l.Demanded, labels...)
		gauge(out, m.allowance, l.Allowance, labels...)
	}
}
