package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// sharedLimits measures what it costs to count a limit that several replicas share: a Spend over a Redis on this machine, against
// the least that can be asked of the same server, PING over a bare connection. Once by one caller after the other, and once by as
// many as an Envoy's worker has under way. Without redis-server nothing is measured.
func (b *bench) sharedLimits(ctx context.Context) (err error) {
	server, socket, err := b.redis(ctx, "redis")
	if errors.Is(err, errAbsent) {
		b.note("nothing is said of shared limits: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop(syscall.SIGTERM)) }()
	address, err := redis.ParseAddress("unix:" + socket)
	if err != nil {
		return err
	}
	shared := redis.New(redis.Options{Address: address, Timeout: time.Second, Log: b.log})
	shared.Start()
	defer shared.Close()
	if err := connected(ctx, shared); err != nil {
		return err
	}
	for _, callers := range []int{1, inFlight} {
		taken, err := inTurns(ctx, b.turns, b.calls,
			subject{"Spend", func(ctx context.Context, span time.Duration) (sample, error) {
				return together(callers, span, func(caller int) (func() error, func(), error) {
					return spending(ctx, shared, caller), func() {}, nil
				})
			}},
			subject{"PING", func(_ context.Context, span time.Duration) (sample, error) {
				return together(callers, span, func(int) (func() error, func(), error) { return pinging(socket) })
			}})
		if err != nil {
			return err
		}
		if what := "a limit over Redis, one call after the other: a Spend, against PING"; callers == 1 {
			b.table.compare(what, "us", of(taken[0], sample.time), of(taken[1], sample.time), target{})
			continue
		}
		b.table.compare(fmt.Sprintf("a limit over Redis, %d callers: Spend, against PING", callers), "/s", of(taken[0], sample.rate), of(taken[1], sample.rate), target{})
	}
	return nil
}

// redis starts a Redis that keeps nothing, on a Unix socket of that name. The error wraps errAbsent where there is none.
func (b *bench) redis(ctx context.Context, name string) (server *process, socket string, err error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", fmt.Errorf("redis-server: %w", errAbsent)
	}
	socket = filepath.Join(b.dir, name+".sock")
	command := exec.CommandContext(ctx, binary, //nolint:gosec // A program of this machine.
		"--port", "0", "--unixsocket", socket, "--dir", b.dir, "--save", "", "--appendonly", "no", "--loglevel", "warning")
	server, err = start(command, nil)
	if err != nil {
		return nil, "", err
	}
	err = server.until(func() error {
		ping, hangUp, err := pinging(socket)
		if err != nil {
			return err
		}
		defer hangUp()
		return ping()
	})
	if err != nil {
		return nil, "", errors.Join(err, server.stop(syscall.SIGTERM))
	}
	return server, socket, nil
}

// connected waits until the store has found its server.
func connected(ctx context.Context, shared *redis.Store) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !shared.Counts().Up {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the store of the limits is away: %w", context.Cause(ctx))
		}
	}
	return nil
}

// spending returns a call that spends of one customer's limit, which nobody reaches.
func spending(ctx context.Context, shared *redis.Store, caller int) func() error {
	charges := []ratelimit.Charge{{
		Key: fmt.Appendf(nil, "customer-%d", caller), Window: limiter.Window{Limit: 1_000_000_000, Per: time.Minute}, Cost: 1,
	}}
	results := make([]limiter.Result, 1)
	return func() error {
		ok, err := shared.Spend(ctx, charges, results)
		if err == nil && !ok {
			err = errors.New("refused")
		}
		return err
	}
}

// pinging returns a call that asks for an answer over a connection of its own, and what hangs up.
func pinging(socket string) (call func() error, hangUp func(), err error) {
	c, err := net.DialTimeout("unix", socket, startLimit)
	if err != nil {
		return nil, nil, err
	}
	answers := bufio.NewReader(c)
	return func() error {
		if _, err := c.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		line, err := answers.ReadString('\n')
		if err == nil && line != "+PONG\r\n" {
			err = fmt.Errorf("answered %q", line)
		}
		return err
	}, func() { _ = c.Close() }, nil // All was answered.
}

// together has some callers call for a while, each one call after the other.
func together(callers int, span time.Duration, begin func(caller int) (call func() error, end func(), err error)) (sample, error) {
	var all sync.WaitGroup
	counts, failed := make([]int, callers), make([]error, callers)
	began := time.Now()
	for i := range callers {
		call, end, err := begin(i)
		if err != nil {
			all.Wait()
			return sample{}, err
		}
		all.Go(func() {
			defer end()
			for failed[i] == nil && time.Since(began) < span {
				failed[i] = call()
				counts[i]++
			}
		})
	}
	all.Wait()
	s := sample{took: time.Since(began)}
	for _, n := range counts {
		s.requests += n
	}
	return s, errors.Join(failed...)
}
