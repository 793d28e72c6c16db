package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
)

// inFlight is how many calls are under way at once, all on one connection, as one worker of an Envoy makes them.
const inFlight = 16

// Targets of the services, in CPU time of the floor's.
const (
	checkTarget = 3
	limitTarget = 1.6
)

// check measures a Check of the quickstart's policy against one of an empty server.
func (b *bench) check(ctx context.Context) error {
	return b.calls(ctx, "Check", "authz", checkTarget, func(c *grpc.ClientConn, sent *captured) func(context.Context) error {
		client := authv3.NewAuthorizationClient(c)
		return func(ctx context.Context) error {
			a, err := client.Check(ctx, sent.check)
			if err == nil && a.GetOkResponse() == nil {
				err = fmt.Errorf("refused: %v", a)
			}
			return err
		}
	})
}

// limit measures a ShouldRateLimit of the quickstart's limit against one of an empty server.
func (b *bench) limit(ctx context.Context) error {
	return b.calls(ctx, "ShouldRateLimit", "ratelimit", limitTarget, func(c *grpc.ClientConn, sent *captured) func(context.Context) error {
		client := rlsv3.NewRateLimitServiceClient(c)
		return func(ctx context.Context) error {
			a, err := client.ShouldRateLimit(ctx, sent.limit)
			if err == nil && a.GetOverallCode() != rlsv3.RateLimitResponse_OK {
				err = fmt.Errorf("refused: %v", a)
			}
			return err
		}
	})
}

// caller makes a call of a service over a connection.
type caller func(*grpc.ClientConn, *captured) func(context.Context) error

// calls measures the calls of one service of the daemon against the same calls of an empty server.
func (b *bench) calls(ctx context.Context, what, service string, goal float64, caller caller) (err error) {
	k, err := b.openBank(ctx, service)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	sent, err := k.capture(ctx)
	if err != nil {
		return fmt.Errorf("record what an Envoy sends: %w", err)
	}
	dir, err := b.subdir(filepath.Join("floor", service))
	if err != nil {
		return err
	}
	floor, err := k.spawn(ctx, "empty", dir)
	if err != nil {
		return err
	}
	ours, err := callsOf(k.gatehouse, service, caller, sent)
	if err != nil {
		return err
	}
	theirs, err := callsOf(floor, service, caller, sent)
	if err != nil {
		return err
	}
	var taken [][]sample
	err = b.profiled(k.gatehouse, service, func() (err error) {
		taken, err = inTurns(ctx, b.turns, b.pace.calls, theirs, ours)
		return err
	})
	if err != nil {
		return err
	}
	b.table.compare(what+", CPU of the server per request", "us", of(taken[1], sample.cost), of(taken[0], sample.cost), target{bound: goal})
	b.table.compare(what+", requests/s", "/s", of(taken[1], sample.rate), of(taken[0], sample.rate), target{})
	return nil
}

// callsOf returns the subject that floods a child's service with calls.
func callsOf(c *child, service string, caller caller, sent *captured) (subject, error) {
	conn, err := dial(c.hello.Addresses[service])
	if err != nil {
		return subject{}, err
	}
	call := caller(conn, sent)
	return subject{c.kind, func(ctx context.Context, span time.Duration) (sample, error) {
		before, err := c.cpu()
		if err != nil {
			return sample{}, err
		}
		s, err := flood(ctx, span, call)
		if err != nil {
			return sample{}, err
		}
		after, err := c.cpu()
		s.cpu = after - before
		return s, err
	}}, nil
}

// flood calls for a while, with inFlight calls at once. The first error ends it.
func flood(ctx context.Context, span time.Duration, call func(context.Context) error) (sample, error) {
	var (
		over    atomic.Bool
		done    atomic.Int64
		callers sync.WaitGroup
		failed  = make(chan error, inFlight)
	)
	timer := time.AfterFunc(span, func() { over.Store(true) })
	defer timer.Stop()
	start := time.Now()
	for range inFlight {
		callers.Go(func() {
			for !over.Load() {
				if err := call(ctx); err != nil {
					over.Store(true)
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	callers.Wait()
	s := sample{requests: int(done.Load()), took: time.Since(start)}
	select {
	case err := <-failed:
		return s, err
	default:
		return s, nil
	}
}
