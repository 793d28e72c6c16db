package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

func leased(key string, w limiter.Window, cost, lease int64) []ratelimit.Charge {
	c := charge(key, w, cost)
	c.Lease = lease
	return []ratelimit.Charge{c}
}

// settled waits until stores hold no lease any more.
func settled(t *testing.T, stores ...*redis.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, s := range stores {
		for s.Counts().Leases > 0 {
			select {
			case <-ctx.Done():
				t.Fatalf("%d leases are held still", s.Counts().Leases)
			case <-tick.C:
			}
		}
	}
}

// TestLeasesAdmitNoMore spends a quota by leases over three replicas: never more than it, and once all is given back exactly it.
func TestLeasesAdmitNoMore(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	for name, w := range map[string]limiter.Window{"quota": daily(), "sliding": {Limit: quota, Per: time.Hour}, "tokens": {Kind: limiter.Tokens, Limit: 1, Per: time.Hour, Burst: quota}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lease = 50
			replicas := []*redis.Store{open(t, server, "", patience), open(t, server, "", patience), open(t, server, "", patience)}
			c := leased(name, w, 1, lease)[0]
			admitted, failed := askAll(t, replicas, c, func(int64) {})
			if admitted > quota || admitted < quota-int64(len(replicas))*lease || failed > 0 {
				t.Errorf("%d were admitted, %d failed", admitted, failed)
			}
			var here, calls uint64
			for _, s := range replicas {
				counts := s.Counts()
				here, calls = here+counts.SpentHere, calls+counts.Calls
			}
			if here < quota/2 {
				t.Errorf("%d were spent here, and %d calls went to the server", here, calls)
			}
			settled(t, replicas...)
			rest, _ := askAll(t, replicas, charge(name, w, 1), func(int64) {})
			if admitted+rest != quota {
				t.Errorf("%d and then %d were admitted, want %d together", admitted, rest, quota)
			}
		})
	}
}

// TestLeaseIsGivenBack holds that what was borrowed and not spent goes back when nobody asks any more, and at the end.
func TestLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	other := open(t, server, "", patience)
	w := limiter.Window{Limit: 100, Per: time.Hour}
	for _, closes := range []bool{false, true} {
		s := open(t, server, "", patience)
		key := map[bool]string{false: "idle", true: "closed"}[closes]
		for range 3 {
			if ok, err := s.Spend(t.Context(), leased(key, w, 1, 40), make([]limiter.Result, 1)); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		if _, r := spend(t, other, key, w, 0); r.Remaining != 59 {
			t.Errorf("%s: %d remain for others, want 59", key, r.Remaining)
		}
		if closes {
			s.Close()
		} else {
			settled(t, s)
		}
		if _, r := spend(t, other, key, w, 0); r.Remaining != 97 {
			t.Errorf("%s: %d remain afterwards, want 97", key, r.Remaining)
		}
	}
}

// TestLeaseBound shows by how much a lease lets a sliding window be passed: what was borrowed counts from when that was, and may be
// spent until LeaseMost later. It is never more than the lease.
func TestLeaseBound(t *testing.T) {
	t.Parallel()
	const limit, lease = 30, 10
	clock := storetest.NewClock()
	s := standing(t, needs.Redis(t), clock)
	w := limiter.Window{Limit: limit, Per: time.Minute}
	all := func() (n int64) {
		for {
			ok, err := s.Spend(t.Context(), leased("alice", w, 1, lease), make([]limiter.Result, 1))
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return n
			}
			n++
		}
	}
	if ok, err := s.Spend(t.Context(), leased("alice", w, 1, lease), make([]limiter.Result, 1)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	clock.Advance(redis.LeaseMost - time.Microsecond) // The last moment.
	within := all()
	clock.Advance(time.Minute - redis.LeaseMost + time.Microsecond) // What was borrowed counts no more.
	within += all()
	if within <= limit || within > limit+lease {
		t.Errorf("within a minute %d were admitted, want more than %d and at most %d", within, limit, limit+lease)
	}
}

// TestLeaseEndsWithItsPeriod holds that nothing that was borrowed of one period of a quota is spent or given back in the next.
func TestLeaseEndsWithItsPeriod(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	s := standing(t, needs.Redis(t), clock)
	w := limiter.Window{Kind: limiter.Fixed, Limit: 100, Per: time.Minute}
	clock.Advance(time.Minute - 300*time.Millisecond)
	if ok, err := s.Spend(t.Context(), leased("alice", w, 1, 40), make([]limiter.Result, 1)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	clock.Advance(300 * time.Millisecond)
	if ok, r := spend(t, s, "alice", w, 90); !ok || r.Remaining != 10 {
		t.Errorf("in the next period: admitted %v, %d remain", ok, r.Remaining)
	}
	settled(t, s)
	if _, r := spend(t, s, "alice", w, 0); r.Remaining != 10 || s.Counts().Returned != 0 {
		t.Errorf("after the lease ended %d remain, want 10; %d were given back, want none", r.Remaining, s.Counts().Returned)
	}
}

// TestLeasedCallAgain holds that a call that has spent from a lease spends once.
func TestLeasedCallAgain(t *testing.T) {
	t.Parallel()
	s := open(t, needs.Redis(t), "", patience)
	w := limiter.Window{Limit: 100, Per: time.Hour}
	for i := range 10 {
		for attempt := range 2 {
			ok, again, err := s.SpendOnce(t.Context(), ratelimit.CallID{byte(i)}, leased("alice", w, 1, 20), make([]limiter.Result, 1))
			if !ok || err != nil || again != (attempt > 0) {
				t.Errorf("call %d, attempt %d: admitted %v, again %v, %v", i, attempt, ok, again, err)
			}
		}
	}
	settled(t, s)
	if _, r := spend(t, s, "alice", w, 0); r.Remaining != 90 {
		t.Errorf("%d remain, want 90", r.Remaining)
	}
}
