package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const (
	// attackRate is how many keys a second somebody makes up, and legitimateRate how many requests others make meanwhile.
	attackRate, legitimateRate = 10_000, 500
	// attackTurn is how long one turn is; all turns together are a minute.
	attackTurn = 12 * time.Second
	// knownKeys is how many keys the calls have that are compared with it.
	knownKeys = 1000
	// attackTarget is what one legitimate request in a hundred may take, of what it takes beside as many calls
	// with known keys.
	attackTarget = 2
)

// attacked measures how long limit calls of customers take while somebody makes calls that each have a key of their own: against the
// same customers alone, and against the same customers beside as many calls whose keys are known. Who calls takes one of the cores,
// so that only the second comparison is about the keys.
func (b *bench) attacked(ctx context.Context) (err error) {
	k, err := b.openBank(ctx, "attacked")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	sent, err := k.capture(ctx, wanted{"/limited", bearer(k.token)})
	if err != nil {
		return fmt.Errorf("record what an Envoy sends: %w", err)
	}
	address := k.gatehouse.hello.Addresses["ratelimit"]
	var made atomic.Uint64
	span := attackTurn
	if b.short {
		span = time.Second
	}
	beside := func(name func() string) func(ctx context.Context, span time.Duration) (sample, error) {
		return func(ctx context.Context, span time.Duration) (s sample, err error) {
			ctx, cancel := context.WithCancel(ctx)
			var others sync.WaitGroup
			others.Go(func() { attacks(ctx, address, sent[0], name) })
			s, err = customers(ctx, address, sent[0], span)
			cancel()
			others.Wait()
			return s, err
		}
	}
	var known atomic.Uint64
	subjects := []subject{
		{"customers", func(ctx context.Context, span time.Duration) (sample, error) {
			return customers(ctx, address, sent[0], span)
		}},
		{"customers among customers", beside(func() string { return fmt.Sprintf("somebody-%d", known.Add(1)%knownKeys) })},
		{"customers under attack", beside(func() string { return fmt.Sprintf("nobody-%d", made.Add(1)) })},
	}
	began := time.Now()
	taken, err := inTurns(ctx, b.turns, span, subjects...)
	if err != nil {
		return err
	}
	b.note("%d keys were made up in %s of attack", made.Load(), time.Since(began)/time.Duration(len(subjects)))
	held, err := k.gatehouse.ask("memory")
	if err != nil {
		return err
	}
	peak, err := parse[float64](held)
	if err != nil {
		return err
	}
	b.note("the daemon held %.0f MiB at most", peak/(1<<20))
	b.table.compare(fmt.Sprintf("ShouldRateLimit while %s keys a second are made up: one in a hundred takes", grouped(attackRate)), "us",
		of(taken[2], sample.slowest), of(taken[0], sample.slowest), target{})
	b.table.compare("the same, to as many calls with known keys: one in a hundred takes", "us",
		of(taken[2], sample.slowest), of(taken[1], sample.slowest), target{bound: attackTarget})
	return nil
}

// customers makes calls at a steady rate, and tells how long they took.
func customers(ctx context.Context, address string, sent *captured, span time.Duration) (sample, error) {
	conn, err := dial(address)
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = conn.Close() }() // Nothing is under way then.
	call := limits(rlsv3.RateLimitResponse_OK)(conn, sent)
	ticks := time.NewTicker(time.Second / legitimateRate)
	defer ticks.Stop()
	var waits []time.Duration
	began := time.Now()
	for time.Since(began) < span {
		<-ticks.C
		at := time.Now()
		if err := call(ctx); err != nil {
			return sample{}, err
		}
		waits = append(waits, time.Since(at))
	}
	return sample{requests: len(waits), took: time.Since(began), slow: slowest([][]time.Duration{waits})}, nil
}

// attacks makes calls whose keys are named so, at a steady rate over connections of its own, until ctx ends.
func attacks(ctx context.Context, address string, sent *captured, name func() string) {
	const callers, every = 10, 10 * time.Millisecond
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			conn, err := dial(address)
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }() // Nothing is under way then.
			attack(ctx, conn, proto.CloneOf(sent.limit), name, attackRate/callers/int(time.Second/every), every)
		})
	}
	all.Wait()
}

// attack makes some calls every so often.
func attack(ctx context.Context, conn *grpc.ClientConn, call *rlsv3.RateLimitRequest, name func() string, some int, every time.Duration) {
	client := rlsv3.NewRateLimitServiceClient(conn)
	entries := call.GetDescriptors()[0].GetEntries()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		for range some {
			entries[len(entries)-1].Value = name()
			if _, err := client.ShouldRateLimit(ctx, call); err != nil {
				return
			}
		}
	}
}
