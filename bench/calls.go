package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// inFlight is how many calls are under way at once, all on one connection, as one worker of an Envoy makes them.
const inFlight = 16

// caller makes a call of a service over a connection.
type caller func(*grpc.ClientConn, *captured) func(context.Context) error

// checks makes Checks. Each is of another request, as no two of an Envoy have one id.
func checks(c *grpc.ClientConn, sent *captured) func(context.Context) error {
	client := authv3.NewAuthorizationClient(c)
	pool := sync.Pool{New: func() any { return proto.CloneOf(sent.check) }}
	var id atomic.Uint64
	return func(ctx context.Context) error {
		q, _ := pool.Get().(*authv3.CheckRequest)
		defer pool.Put(q)
		q.Attributes.Request.Http.Id = strconv.FormatUint(1<<62+id.Add(1), 10)
		a, err := client.Check(ctx, q)
		if err == nil && a.GetOkResponse() == nil {
			err = fmt.Errorf("refused: %v", a)
		}
		return err
	}
}

// emptyServer starts the floor of a service.
func (k *bank) emptyServer(ctx context.Context, service string) (*child, error) {
	dir, err := k.bench.subdir(filepath.Join("floor", service))
	if err != nil {
		return nil, err
	}
	return k.spawn(ctx, "empty", dir)
}

// flooding is a server under test, and the calls that flood it.
type flooding struct {
	server *child
	sent   *captured
}

// flooded measures servers in turns. The name is that of the daemon's profile.
func (k *bank) flooded(ctx context.Context, service, name string, by caller, all ...flooding) (taken [][]sample, err error) {
	subjects := make([]subject, len(all))
	for i, f := range all {
		if subjects[i], err = callsOf(f.server, service, by, f.sent); err != nil {
			return nil, err
		}
	}
	err = k.bench.profiled(k.gatehouse, name, func() (err error) {
		taken, err = inTurns(ctx, k.bench.turns, k.bench.calls, subjects...)
		return err
	})
	return taken, err
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
	waits := make([][]time.Duration, inFlight)
	for i := range inFlight {
		callers.Go(func() {
			for !over.Load() {
				began := time.Now()
				if err := call(ctx); err != nil {
					over.Store(true)
					failed <- err
					return
				}
				waits[i] = append(waits[i], time.Since(began))
				done.Add(1)
			}
		})
	}
	callers.Wait()
	s := sample{requests: int(done.Load()), took: time.Since(start), slow: slowest(waits)}
	select {
	case err := <-failed:
		return s, err
	default:
		return s, nil
	}
}

// slowest returns what one call in a hundred exceeds.
func slowest(waits [][]time.Duration) time.Duration {
	all := slices.Concat(waits...)
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
