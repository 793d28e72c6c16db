package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// newGatehouse starts the daemon on a directory of documents, with its sockets in state. Decisions are written into a file, or
// nowhere where it has no name.
func newGatehouse(ctx context.Context, documents, state, decisions string, log *slog.Logger) (*service, error) {
	recorded := server.DecisionLog{Journal: -1}
	if decisions != "" {
		file, err := os.OpenFile(decisions, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // In this run's directory.
		if err != nil {
			return nil, fmt.Errorf("open the decision log: %w", err)
		}
		recorded.Lines = file
	}
	s, err := server.New(server.Options{
		Decisions: recorded,
		Config:    documents, State: state, Lookup: os.LookupEnv, Logger: log,
		// What is measured is delivery, not the watching of waves: each change goes to all nodes at once.
		Rollout: rollout.Strategy{Waves: []rollout.Wave{{Percent: 100}}, Soak: time.Millisecond},
	})
	if err != nil {
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	if err := s.Ready(); err != nil {
		return nil, errors.Join(err, s.Stop(ctx))
	}
	a := s.Addrs()
	return &service{stop: s.Stop, addresses: map[string]string{
		"xds": a.XDS, "authz": a.Authz, "ratelimit": a.RateLimit, "accesslog": a.AccessLog, "admin": a.Admin,
	}}, nil
}

// newLimitsAlone starts the rate limit service alone, over a Redis, on a socket in dir.
func newLimitsAlone(ctx context.Context, dir, socket string, log *slog.Logger) (*service, error) {
	limits := filepath.Join(dir, "alone")
	if err := writeFile(filepath.Join(limits, "bench.yaml"), peerLimits); err != nil {
		return nil, err
	}
	address, err := redis.ParseAddress("unix:" + socket)
	if err != nil {
		return nil, err
	}
	s := server.NewLimitsAlone(server.LimitsAloneOptions{
		Config: limits, Listen: envoy.SocketScheme + filepath.Join(dir, "alone.sock"), Redis: &redis.Options{Address: address, Timeout: time.Second},
		Drain: time.Second, Logger: log, Now: time.Now,
	})
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- s.Run(running) }()
	return &service{
		addresses: map[string]string{"ratelimit": envoy.SocketScheme + filepath.Join(dir, "alone.sock")},
		stop: func(context.Context) error {
			cancel()
			return <-done
		},
	}, nil
}

// empty is the floor of the gRPC services: it reads the call, answers the least that Envoy takes for a yes, and does nothing.
type empty struct{}

// Check allows.
func (empty) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{
		Status:       &rpcstatus.Status{},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}},
	}, nil
}

// ShouldRateLimit allows.
func (empty) ShouldRateLimit(context.Context, *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	return &rlsv3.RateLimitResponse{OverallCode: rlsv3.RateLimitResponse_OK}, nil
}

// StreamAccessLogs takes entries and forgets them.
func (empty) StreamAccessLogs(stream alsv3.AccessLogService_StreamAccessLogsServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
}

// newEmpty serves the floor on a socket in dir, with the same options as Gatehouse's own servers.
func newEmpty(ctx context.Context, dir string) (*service, error) {
	path := filepath.Join(dir, "empty.sock")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := grpc.NewServer(server.GRPCOptions()...)
	authv3.RegisterAuthorizationServer(s, empty{})
	rlsv3.RegisterRateLimitServiceServer(s, empty{})
	alsv3.RegisterAccessLogServiceServer(s, empty{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	address := envoy.SocketScheme + path
	return &service{
		addresses: map[string]string{"authz": address, "ratelimit": address, "accesslog": address},
		stop: func(context.Context) error {
			s.Stop()
			return <-served
		},
	}, nil
}

// answerSize is the number of bytes in each answer of a backend.
const answerSize = 1 << 10

// newBackends serves the quickstart's two backends, on free ports.
func newBackends(ctx context.Context, log *slog.Logger) (*service, error) {
	handler, err := echo.New(echo.Settings{Name: "bench", Size: answerSize})
	if err != nil {
		return nil, err
	}
	s := &service{addresses: map[string]string{}}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 2)
	for _, name := range []string{"first", "second"} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			cancel()
			return nil, fmt.Errorf("listen: %w", err)
		}
		s.addresses[name] = l.Addr().String()
		go func() { served <- echo.Serve(running, l, handler, log) }()
	}
	s.stop = func(context.Context) error {
		cancel()
		return errors.Join(<-served, <-served)
	}
	return s, nil
}
