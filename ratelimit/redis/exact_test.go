package redis_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

const (
	clients = 64
	quota   = 1000
	asks    = 5000
)

// daily is a window that does not end while a test runs.
func daily() limiter.Window {
	return limiter.Window{Kind: limiter.Quota, Limit: quota, Calendar: &limiter.Calendar{Every: limiter.Month}}
}

// askAll asks many times, by many clients, at all replicas in turn, and returns how many calls were admitted and how many failed.
// between is called after each call with the number of those that were made.
func askAll(t *testing.T, replicas []*redis.Store, c ratelimit.Charge, between func(n int64)) (admitted, failed int64) {
	t.Helper()
	var made, good, bad atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			var results [1]limiter.Result
			for i := made.Add(1); i <= asks; i = made.Add(1) {
				ok, err := replicas[int(i)%len(replicas)].Spend(t.Context(), []ratelimit.Charge{c}, results[:])
				switch {
				case err != nil:
					bad.Add(1)
				case ok:
					good.Add(1)
				}
				between(i)
			}
		})
	}
	group.Wait()
	return good.Load(), bad.Load()
}

// TestExactOverReplicas is the proof of a quota: 64 clients ask 5,000 times at three replicas, and of a quota of 1,000 exactly
// that many are admitted, in windows of each kind.
func TestExactOverReplicas(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	replicas := []*redis.Store{open(t, server, "", patience), open(t, server, "", patience), open(t, server, "", patience)}
	windows := map[string]limiter.Window{
		"quota": daily(), "sliding": {Limit: quota, Per: time.Hour}, "fixed": {Kind: limiter.Fixed, Limit: quota, Per: 366 * 24 * time.Hour},
		"paced": {Kind: limiter.Paced, Limit: 1, Per: time.Hour, Burst: quota}, "tokens": {Kind: limiter.Tokens, Limit: 1, Per: time.Hour, Burst: quota},
	}
	for name, w := range windows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admitted, failed := askAll(t, replicas, ratelimit.Charge{Key: []byte(name), Window: w, Cost: 1}, func(int64) {})
			if admitted != quota || failed != 0 {
				t.Errorf("%d of %d calls were admitted and %d failed, want %d and none", admitted, asks, failed, quota)
			}
		})
	}
}

// TestExactOverRestart kills the server (SIGKILL) in the middle of that and starts it again, empty: what it forgot is spent once
// more and nothing else, so that at most twice the quota is admitted, and at least once.
func TestExactOverRestart(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	replicas := []*redis.Store{open(t, server, "", patience), open(t, server, "", patience), open(t, server, "", patience)}
	var once sync.Once
	before, failed := askAll(t, replicas, ratelimit.Charge{Key: []byte("alice"), Window: daily(), Cost: 1}, func(n int64) {
		if n < quota/2 {
			return
		}
		once.Do(func() {
			server.Stop()
			server.Start(t)
			for _, s := range replicas {
				up(t, s, true)
			}
		})
	})
	t.Logf("%d were admitted, %d failed", before, failed)
	if failed == 0 {
		t.Error("no call failed: nothing was killed under load")
	}
	for _, s := range replicas {
		up(t, s, true)
	}
	after, failed := askAll(t, replicas, ratelimit.Charge{Key: []byte("alice"), Window: daily(), Cost: 1}, func(int64) {})
	if total := before + after; total < quota || total > 2*quota || failed != 0 {
		t.Errorf("%d calls were admitted and %d failed afterwards, want %d to %d and none", total, failed, quota, 2*quota)
	}
	if _, r := spend(t, replicas[0], "alice", daily(), 0); r.Remaining != 0 {
		t.Errorf("%d remain, want none: the count goes on", r.Remaining)
	}
}
