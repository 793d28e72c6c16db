package server

import (
	"context"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// health answers the gRPC health protocol, by which Envoys choose among replicas: one without a revision, or that drains, is
// left out while another one serves. Whatever service is asked for, the answer is the server's.
type health struct {
	healthv1.UnimplementedHealthServer

	ready func() error
}

// registerHealth makes a gRPC server answer health checks.
func (s *Server) registerHealth(r grpc.ServiceRegistrar) {
	healthv1.RegisterHealthServer(r, health{ready: s.Ready})
}

// Check says whether the server serves.
func (h health) Check(context.Context, *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	status := healthv1.HealthCheckResponse_SERVING
	if h.ready() != nil {
		status = healthv1.HealthCheckResponse_NOT_SERVING
	}
	return &healthv1.HealthCheckResponse{Status: status}, nil
}
