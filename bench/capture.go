package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"sync"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse/gatehouse/envoy"
)

// captured is what an Envoy sends to the services for one request of a customer of the quickstart. A request made up by hand
// would be smaller, or hold other things, and the figures would be of something that never happens.
type captured struct {
	check *authv3.CheckRequest
	limit *rlsv3.RateLimitRequest
}

// recorder stands between an Envoy and the daemon, keeps the calls and hands them on.
type recorder struct {
	authz  authv3.AuthorizationClient
	limits rlsv3.RateLimitServiceClient

	mu   sync.Mutex
	seen captured
}

// Check keeps the request and answers as the daemon does.
func (r *recorder) Check(ctx context.Context, q *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	r.mu.Lock()
	r.seen.check = q
	r.mu.Unlock()
	return r.authz.Check(ctx, q)
}

// ShouldRateLimit keeps the request and answers as the daemon does.
func (r *recorder) ShouldRateLimit(ctx context.Context, q *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	r.mu.Lock()
	r.seen.limit = q
	r.mu.Unlock()
	return r.limits.ShouldRateLimit(ctx, q)
}

// wanted is a request whose calls are to be captured.
type wanted struct {
	base  string
	proof proof
}

// proof is the header by which a request shows who makes it.
type proof struct{ header, value string }

func bearer(token string) proof { return proof{"authorization", token} }

// capture sends requests through a real Envoy, and keeps the calls that the Envoy makes for each.
func (k *bank) capture(ctx context.Context, requests ...wanted) ([]*captured, error) {
	authz, err := dial(k.gatehouse.hello.Addresses["authz"])
	if err != nil {
		return nil, err
	}
	defer func() { _ = authz.Close() }() // Nothing is under way then.
	limits, err := dial(k.gatehouse.hello.Addresses["ratelimit"])
	if err != nil {
		return nil, err
	}
	defer func() { _ = limits.Close() }() // Nothing is under way then.
	r := &recorder{authz: authv3.NewAuthorizationClient(authz), limits: rlsv3.NewRateLimitServiceClient(limits)}
	s := grpc.NewServer()
	authv3.RegisterAuthorizationServer(s, r)
	rlsv3.RegisterRateLimitServiceServer(s, r)
	path := filepath.Join(k.bench.dir, "recorder.sock")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	all, err := k.requestsThrough(ctx, envoy.SocketScheme+path, r, requests)
	s.Stop()
	return all, errors.Join(err, <-served)
}

// requestsThrough starts an Envoy that asks the services at an address, sends requests through it, and stops it.
func (k *bank) requestsThrough(ctx context.Context, address string, r *recorder, requests []wanted) ([]*captured, error) {
	services := k.services()
	services.Authz, services.RateLimit = []string{address}, []string{address}
	e, err := k.join(ctx, "edge", "recorded", services)
	if err != nil {
		return nil, err
	}
	var all []*captured
	for _, q := range requests {
		if err := get(ctx, k.url(q.base), q.proof); err != nil {
			return nil, err
		}
		got := r.take()
		if got.check == nil && got.limit == nil {
			return nil, fmt.Errorf("the Envoy asked nobody about %s", q.base)
		}
		all = append(all, got)
	}
	return all, stopEnvoy(e)
}

// take returns what was kept since it was asked last.
func (r *recorder) take() *captured {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = captured{}
	return &seen
}

// get sends one request that must be answered with 200.
func get(ctx context.Context, url string, shown proof) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	if shown.value != "" {
		q.Header.Set(shown.header, shown.value)
	}
	a, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	defer func() { _ = a.Body.Close() }() // Only read from.
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: %s: %s", url, a.Status, body)
	}
	return nil
}

// dial connects to a gRPC server on a socket; the connection is opened by the first call.
func dial(address string) (*grpc.ClientConn, error) {
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32))) // Envoy has no bound either.
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return c, nil
}
