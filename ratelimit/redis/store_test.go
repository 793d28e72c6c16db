package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

// patience is how long a test waits for a server; on a busy machine an answer may take longer than a request would wait.
const patience = 5 * time.Second

func address(t testing.TB, text string) redis.Address {
	t.Helper()
	a, err := redis.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// up waits until a store is connected, or is not any more.
func up(t testing.TB, s *redis.Store, want bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.Counts().Up != want {
		select {
		case <-ctx.Done():
			t.Fatalf("the store is up: %v, want %v", !want, want)
		case <-tick.C:
		}
	}
}

// open returns a connected store; the rest of its address may name a namespace.
func open(t testing.TB, server *needs.RedisServer, rest string, timeout time.Duration) *redis.Store {
	t.Helper()
	s := redis.New(redis.Options{Address: address(t, "unix:"+server.Socket+rest), Timeout: timeout})
	t.Cleanup(s.Close)
	s.Start()
	up(t, s, true)
	return s
}

func spend(t testing.TB, s ratelimit.Store, key string, w limiter.Window, cost int64) (bool, limiter.Result) {
	t.Helper()
	var results [1]limiter.Result
	ok, err := s.Spend(t.Context(), []ratelimit.Charge{{Key: []byte(key), Window: w, Cost: cost}}, results[:])
	if err != nil {
		t.Fatal(err)
	}
	return ok, results[0]
}

func TestStore(t *testing.T) {
	t.Parallel()
	conforms(t, needs.Redis(t))
}

func TestStoreInValkey(t *testing.T) {
	t.Parallel()
	conforms(t, needs.Valkey(t))
}

// conforms runs what every store must do over a server.
func conforms(t *testing.T, server *needs.RedisServer) {
	t.Helper()
	var opened atomic.Int64
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		clock := storetest.NewClock()
		s := redis.Standing(redis.Options{
			Address: address(t, fmt.Sprintf("unix:%s?namespace=%d", server.Socket, opened.Add(1))), Timeout: patience,
		}, clock.Now)
		t.Cleanup(s.Close)
		s.Start()
		up(t, s, true)
		return storetest.Subject{Store: s, Advance: clock.Advance}
	})
}

// TestReplicasShare spends through two stores at once, by the server's own clock.
func TestReplicasShare(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	replicas := []*redis.Store{open(t, server, "", patience), open(t, server, "", patience)}
	w := limiter.Window{Limit: 100, Per: time.Hour}
	var admitted atomic.Int64
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 50 {
				if ok, _ := spend(t, replicas[i%2], "alice", w, 1); ok {
					admitted.Add(1)
				}
			}
		})
	}
	group.Wait()
	if n := admitted.Load(); n != 100 {
		t.Errorf("%d of 400 calls at two replicas were admitted, want 100", n)
	}
}

// TestOnce spends a call at one replica, and once more at another one.
func TestOnce(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	one, other := open(t, server, "", patience), open(t, server, "", patience)
	charges := []ratelimit.Charge{{Key: []byte("alice"), Window: limiter.Window{Limit: 5, Per: time.Hour}, Cost: 2}}
	var results [1]limiter.Result
	for i, s := range []*redis.Store{one, other, one} {
		ok, again, err := s.SpendOnce(t.Context(), ratelimit.CallID{1}, charges, results[:])
		if err != nil || !ok || again != (i > 0) || results[0].Remaining != 3 {
			t.Errorf("attempt %d: admitted %v, again %v, %v, %d remain, want 3", i+1, ok, again, err, results[0].Remaining)
		}
	}
	if _, again, err := other.SpendOnce(t.Context(), ratelimit.CallID{2}, charges, results[:]); err != nil || again || results[0].Remaining != 1 {
		t.Errorf("another call: again %v, %v, %d remain, want 1", again, err, results[0].Remaining)
	}
	charges[0].Cost = 9 // Refused, so that it may be asked again.
	for range 2 {
		if ok, again, err := one.SpendOnce(t.Context(), ratelimit.CallID{3}, charges, results[:]); ok || again || err != nil {
			t.Errorf("a refused call: admitted %v, again %v, %v", ok, again, err)
		}
	}
}

// TestNothingStays holds that each key goes by itself, as soon as it counts for nothing.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	s := open(t, server, "", patience)
	spend(t, s, "short", limiter.Window{Limit: 5, Per: 100 * time.Millisecond}, 1)
	spend(t, s, "long", limiter.Window{Limit: 5, Per: time.Hour}, 1)
	spend(t, s, "looked at", limiter.Window{Limit: 5, Per: time.Hour}, 0)
	spend(t, s, "refused", limiter.Window{Limit: 5, Per: time.Hour}, 6)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		size, err := server.Do(ctx, "DBSIZE")
		if err != nil {
			t.Fatal(err)
		}
		if size == ":1" { // The long one alone.
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("%s keys stay, want 1", size)
		}
	}
	text, err := server.Do(t.Context(), "EVAL \"return redis.call('PTTL', redis.call('KEYS', '*')[1])\" 0")
	if err != nil {
		t.Fatal(err)
	}
	if ttl, err := strconv.Atoi(strings.TrimPrefix(text, ":")); err != nil || ttl < 3_500_000 || ttl > 3_601_001 {
		t.Errorf("what counts for an hour stays for %s ms", text)
	}
}

// TestLargeNumbers goes to the borders of what the script's numbers can tell apart.
func TestLargeNumbers(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	clock := storetest.NewClock()
	s := redis.Standing(redis.Options{Address: address(t, "unix:"+server.Socket), Timeout: patience}, clock.Now)
	t.Cleanup(s.Close)
	s.Start()
	up(t, s, true)
	const most = int64(1) << 48
	year := limiter.Window{Limit: most, Per: 366 * 24 * time.Hour}
	steps := []struct {
		cost int64
		ok   bool
		want limiter.Result
	}{
		{most - 3, true, limiter.Result{OK: true, Remaining: 3, Reset: year.Per}},
		{4, false, limiter.Result{Remaining: 3, Reset: year.Per, Retry: year.Per}},
		{most + 1, false, limiter.Result{Remaining: 3, Reset: year.Per, Retry: year.Per}},
		{3, true, limiter.Result{OK: true, Reset: year.Per}},
		{1, false, limiter.Result{Reset: year.Per, Retry: year.Per}},
	}
	for _, step := range steps {
		ok, got := spend(t, s, "large", year, step.cost)
		if diff := cmp.Diff(step.want, got); diff != "" || ok != step.ok {
			t.Errorf("cost %d: admitted %v (-want +got):\n%s", step.cost, ok, diff)
		}
	}
	clock.Advance(year.Per - time.Microsecond)
	if ok, r := spend(t, s, "large", year, 1); ok || r.Retry != time.Microsecond {
		t.Errorf("a microsecond before the year's end: %v, %+v", ok, r)
	}
	clock.Advance(time.Microsecond)
	if ok, r := spend(t, s, "large", year, most); !ok || r.Remaining != 0 {
		t.Errorf("after the year: %v, %+v", ok, r)
	}
	// A limit beyond counts as 2^48, and a window of less than a microsecond as one.
	if _, r := spend(t, s, "beyond", limiter.Window{Limit: 1 << 62, Per: time.Nanosecond}, 1); r.Remaining != most-1 || r.Reset != time.Microsecond {
		t.Errorf("a limit beyond: %+v", r)
	}
}

// TestClockSetBack holds that a clock that runs backwards blocks nobody for as long as it was set back.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	clock := storetest.NewClock()
	s := redis.Standing(redis.Options{Address: address(t, "unix:"+server.Socket), Timeout: patience}, clock.Now)
	t.Cleanup(s.Close)
	s.Start()
	up(t, s, true)
	w := limiter.Window{Limit: 2, Per: time.Minute}
	spend(t, s, "alice", w, 1)
	clock.Advance(20 * time.Second)
	spend(t, s, "alice", w, 1)
	clock.Advance(-time.Hour)
	if ok, r := spend(t, s, "alice", w, 1); ok || r.Retry != 40*time.Second {
		t.Errorf("admitted %v, retry after %v, want 40s", ok, r.Retry)
	}
	clock.Advance(40 * time.Second)
	if ok, r := spend(t, s, "alice", w, 1); !ok {
		t.Errorf("refused after that, retry after %v", r.Retry)
	}
}

// TestServerGoesAndComes holds that a call to a server that is away fails at once, and that all is well when it is back.
func TestServerGoesAndComes(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	s := open(t, server, "", patience)
	w := limiter.Window{Limit: 5, Per: time.Hour}
	spend(t, s, "alice", w, 1)
	server.Stop()
	up(t, s, false)
	if _, err := s.Spend(t.Context(), []ratelimit.Charge{{Key: []byte("alice"), Window: w, Cost: 1}}, make([]limiter.Result, 1)); !errors.Is(err, redis.ErrAway) {
		t.Errorf("without a server: %v", err)
	}
	server.Start(t)
	up(t, s, true)
	if ok, r := spend(t, s, "alice", w, 1); !ok || r.Remaining != 4 { // The script is loaded anew, and the counts are lost.
		t.Errorf("after the restart: %v, %+v", ok, r)
	}
	if c := s.Counts(); c.Breaks != 1 {
		t.Errorf("counted: %+v", c)
	}
}

// TestServerHangs holds that a call waits for no longer than it may, that soon none waits, and that nothing is left of it.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	s := open(t, server, "", 100*time.Millisecond)
	w := limiter.Window{Limit: 1 << 20, Per: time.Hour}
	server.Pause(t)
	failed := 0
	for s.Counts().Up {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := s.Spend(ctx, []ratelimit.Charge{{Key: []byte("alice"), Window: w, Cost: 1}}, make([]limiter.Result, 1))
		if err == nil {
			t.Fatal("a server that hangs answered")
		}
		if ctx.Err() != nil {
			t.Error("a call that may wait for 100ms waited for a second")
		}
		cancel()
		if failed++; failed > redis.FailuresMost {
			t.Fatalf("%d calls waited", failed)
		}
	}
	server.Resume(t)
	up(t, s, true)
	if ok, r := spend(t, s, "bob", w, 1); !ok || r.Remaining != 1<<20-1 {
		t.Errorf("afterwards: %v, %+v", ok, r)
	}
}

// TestServerComesLater holds that a store may be made before its server is there, and closed before it ever was.
func TestServerComesLater(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	server.Stop()
	at := address(t, "unix:"+server.Socket)
	never := redis.New(redis.Options{Address: at})
	never.Close()
	never = redis.New(redis.Options{Address: at})
	never.Start()
	never.Close()
	s := redis.New(redis.Options{Address: at, Timeout: patience})
	t.Cleanup(s.Close)
	s.Start()
	server.Start(t)
	up(t, s, true)
	spend(t, s, "alice", limiter.Window{Limit: 5, Per: time.Hour}, 1)
}

// TestPassword uses a server that wants one, over TCP, and says nothing of it where it is wrong.
func TestPassword(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t, "--requirepass", "correct")
	server.Stop()
	server.Listen(t)
	server.Start(t)
	right := redis.New(redis.Options{Address: address(t, fmt.Sprintf("redis://:correct@127.0.0.1:%d/3", server.Port)), Timeout: patience})
	t.Cleanup(right.Close)
	right.Start()
	up(t, right, true)
	spend(t, right, "alice", limiter.Window{Limit: 5, Per: time.Hour}, 1)
}
