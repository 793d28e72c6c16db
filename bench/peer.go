package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/program"
)

// Targets of limit calls over Redis: CPU time in what a call costs an empty server, requests per second in what envoyproxy/ratelimit
// answers.
const (
	sharedTarget = 2.3
	peerTarget   = 1.4
)

// peerLimits is the configuration of envoyproxy/ratelimit whose calls are compared.
const peerLimits = `domain: bench
descriptors:
  - key: customer
    rate_limit: {unit: minute, requests_per_unit: 1000000000}
`

// peerCall asks for it.
func peerCall() *captured {
	return &captured{limit: &rlsv3.RateLimitRequest{Domain: "bench", Descriptors: []*ratelimitcommonv3.RateLimitDescriptor{
		{Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{{Key: "customer", Value: customer}}},
	}}}
}

// peer starts envoyproxy/ratelimit over a Redis, as its README says, with its defaults. The error wraps errAbsent where it is not
// installed.
func (b *bench) peer(ctx context.Context, redis string) (*process, string, error) {
	binary, err := program.Find("envoyproxy-ratelimit", "GATEHOUSE_ENVOYPROXY_RATELIMIT", os.LookupEnv, b.root)
	if err != nil {
		return nil, "", fmt.Errorf("%w (make peer installs it): %w", errAbsent, err)
	}
	dir, err := b.subdir("peer")
	if err != nil {
		return nil, "", err
	}
	if err := writeFile(filepath.Join(dir, "ratelimit", "config", "bench.yaml"), peerLimits); err != nil {
		return nil, "", err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = freePort(ctx); err != nil {
			return nil, "", err
		}
	}
	socket := filepath.Join(dir, "grpc.sock")
	command := exec.CommandContext(ctx, binary) //nolint:gosec // A program of this machine.
	command.Env = append(os.Environ(),
		"RUNTIME_ROOT="+dir, "RUNTIME_SUBDIRECTORY=ratelimit", "RUNTIME_WATCH_ROOT=false", "DISABLE_STATS=true", "USE_STATSD=false", "LOG_LEVEL=error",
		"REDIS_SOCKET_TYPE=unix", "REDIS_URL="+redis, "GRPC_UDS="+socket,
		"HOST=127.0.0.1", "PORT="+strconv.Itoa(ports[0]), "DEBUG_HOST=127.0.0.1", "DEBUG_PORT="+strconv.Itoa(ports[1]),
		"GRPC_HOST=127.0.0.1", "GRPC_PORT="+strconv.Itoa(ports[2]))
	p, err := start(command, b.progress)
	if err != nil {
		return nil, "", err
	}
	err = p.until(func() error {
		c, err := net.DialTimeout("unix", socket, startLimit)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	if err != nil {
		return nil, "", errors.Join(err, p.stop(syscall.SIGTERM))
	}
	return p, envoy.SocketScheme + socket, nil
}

// sharedCalls measures limit calls over Redis: Gatehouse's and envoyproxy/ratelimit's, each with a Redis of its own, whose CPU time is
// theirs, against calls of an empty server.
func (b *bench) sharedCalls(ctx context.Context) (err error) {
	var ends []func() error
	defer func() {
		for _, end := range slices.Backward(ends) {
			err = errors.Join(err, end())
		}
	}()
	var redises [2]*process
	var sockets [2]string
	for i, name := range []string{"ours.redis", "theirs.redis"} {
		if redises[i], sockets[i], err = b.redis(ctx, name); errors.Is(err, errAbsent) {
			b.note("nothing is said of calls over Redis: %v", err)
			return nil
		} else if err != nil {
			return err
		}
		ends = append(ends, func() error { return redises[i].stop(syscall.SIGTERM) })
	}
	ours, err := spawn(ctx, b.progress, "ratelimit", b.dir, sockets[0])
	if err != nil {
		return err
	}
	ends = append(ends, ours.stop)
	dir, err := b.subdir("floor.shared")
	if err != nil {
		return err
	}
	floor, err := spawn(ctx, b.progress, "empty", dir)
	if err != nil {
		return err
	}
	ends = append(ends, floor.stop)
	subjects := []subject{
		callsOfProcesses("empty", floor.hello.Addresses["ratelimit"], []int{floor.pid}),
		callsOfProcesses("gatehouse ratelimit", ours.hello.Addresses["ratelimit"], []int{ours.pid, redises[0].command.Process.Pid}),
	}
	theirs, address, err := b.peer(ctx, sockets[1])
	switch {
	case errors.Is(err, errAbsent):
		b.note("nothing is compared with envoyproxy/ratelimit: %v", err)
	case err != nil:
		return err
	default:
		ends = append(ends, func() error { return theirs.stop(syscall.SIGTERM) })
		subjects = append(subjects, callsOfProcesses("envoyproxy/ratelimit", address, []int{theirs.command.Process.Pid, redises[1].command.Process.Pid}))
	}
	taken, err := inTurns(ctx, b.turns, b.calls, subjects...)
	if err != nil {
		return err
	}
	what := "ShouldRateLimit over Redis, one descriptor: "
	b.table.compare(what+"CPU of server and Redis per request", "us", of(taken[1], sample.cost), of(taken[0], sample.cost), target{bound: sharedTarget})
	if len(taken) > 2 {
		b.table.compare("the same of envoyproxy/ratelimit: CPU of server and Redis per request", "us", of(taken[2], sample.cost), of(taken[0], sample.cost), target{})
		b.table.compare(what+"requests/s, to envoyproxy/ratelimit's", "/s", of(taken[1], sample.rate), of(taken[2], sample.rate), target{bound: peerTarget, atLeast: true})
	}
	return nil
}

// callsOfProcesses returns the subject that floods a rate limit service with the peer's call, and counts the CPU time of processes.
func callsOfProcesses(name, address string, pids []int) subject {
	return subject{name, func(ctx context.Context, span time.Duration) (sample, error) {
		conn, err := dial(address)
		if err != nil {
			return sample{}, err
		}
		defer func() { _ = conn.Close() }() // Nothing is under way then.
		before, err := cpuOf(pids)
		if err != nil {
			return sample{}, err
		}
		s, err := flood(ctx, span, limits(rlsv3.RateLimitResponse_OK)(conn, peerCall()))
		if err != nil {
			return sample{}, err
		}
		after, err := cpuOf(pids)
		if err != nil {
			return sample{}, err
		}
		for i := range pids {
			s.cpu += after[i] - before[i]
		}
		return s, nil
	}}
}
