package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// do sends a command to a server, and fails the test where it is refused.
func do(t *testing.T, server *needs.RedisServer, command string) {
	t.Helper()
	if said, err := server.Do(t.Context(), command); err != nil || strings.HasPrefix(said, "-") {
		t.Fatalf("%s: %v %s", command, err, said)
	}
}

// TestServerTakesNothing holds that a server that answers and writes nothing is one that is away, and that counts go on after it.
func TestServerTakesNothing(t *testing.T) {
	t.Parallel()
	states := map[string]struct {
		settings    []string
		begin, ends string
	}{
		"its memory is full":     {nil, "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"},
		"it is a replica":        {nil, "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"},
		"it has too few of them": {nil, "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"},
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := needs.Redis(t, state.settings...)
			s := open(t, server, "", patience)
			w := limiter.Window{Limit: 5, Per: time.Hour}
			spend(t, s, "alice", w, 1)
			do(t, server, state.begin)
			charges := []ratelimit.Charge{{Key: []byte("alice"), Window: w, Cost: 1}}
			if _, err := s.Spend(t.Context(), charges, make([]limiter.Result, 1)); err == nil {
				t.Fatal("it was admitted")
			}
			if _, err := s.Spend(t.Context(), charges, make([]limiter.Result, 1)); !errors.Is(err, redis.ErrAway) {
				t.Errorf("the next one: %v", err)
			}
			do(t, server, state.ends)
			up(t, s, true)
			if ok, r := spend(t, s, "alice", w, 1); !ok || r.Remaining != 3 {
				t.Errorf("afterwards: admitted %v, %d remain, want 3", ok, r.Remaining)
			}
		})
	}
}

// TestServerLoads holds the same of a server that reads what it had on disk.
func TestServerLoads(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t, "--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024")
	s := open(t, server, "", patience)
	w := limiter.Window{Limit: 5, Per: time.Hour}
	spend(t, s, "alice", w, 1)
	do(t, server, "CONFIG SET key-load-delay 1000")
	do(t, server, "DEBUG POPULATE 3000")
	var loading sync.WaitGroup
	loading.Go(func() {
		if said, err := server.Do(t.Context(), "DEBUG RELOAD"); err != nil || said != "+OK" {
			t.Errorf("reload: %v %s", err, said)
		}
	})
	up(t, s, false)
	loading.Wait()
	up(t, s, true)
	if ok, r := spend(t, s, "alice", w, 1); !ok || r.Remaining != 3 {
		t.Errorf("afterwards: admitted %v, %d remain, want 3", ok, r.Remaining)
	}
}

// TestScriptForgotten holds that a server that has forgotten the script gets it anew.
func TestScriptForgotten(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	s := open(t, server, "", patience)
	w := limiter.Window{Limit: 5, Per: time.Hour}
	for i := range 3 {
		do(t, server, "SCRIPT FLUSH")
		if ok, r := spend(t, s, "alice", w, 1); !ok || r.Remaining != int64(4-i) {
			t.Errorf("call %d: admitted %v, %d remain", i+1, ok, r.Remaining)
		}
	}
	if c := s.Counts(); c.Failed != 0 || c.Breaks != 0 {
		t.Errorf("counted: %+v", c)
	}
}

// TestSomethingElseAtAKey holds that what somebody else wrote at a bucket's key harms no other bucket, also not one of a call that
// goes to the server together with it, and that a reset mends it.
func TestSomethingElseAtAKey(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	s := open(t, server, "", patience)
	do(t, server, fmt.Sprintf("RPUSH %s 1", s.BucketKey("alice")))
	w := limiter.Window{Limit: 1000, Per: time.Hour}
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			key := []string{"alice", "bob"}[i%2]
			ok, err := s.Spend(t.Context(), []ratelimit.Charge{{Key: []byte(key), Window: w, Cost: 1}}, make([]limiter.Result, 1))
			if key == "alice" && (err == nil || ok) || key == "bob" && (err != nil || !ok) {
				t.Errorf("%s: admitted %v, %v", key, ok, err)
			}
		})
	}
	group.Wait()
	if _, r := spend(t, s, "bob", w, 0); r.Remaining != 968 {
		t.Errorf("of bob's %d remain, want 968", r.Remaining)
	}
	for _, text := range []string{"x", strings.Repeat("y", 40), "\x00", strings.Repeat("z", 400)} {
		if err := s.Reset(t.Context(), [][]byte{[]byte("alice")}); err != nil {
			t.Fatal(err)
		}
		if ok, r := spend(t, s, "alice", w, 1); !ok || r.Remaining != 999 {
			t.Errorf("after the reset: admitted %v, %d remain", ok, r.Remaining)
		}
		do(t, server, fmt.Sprintf("SET %s %q", s.BucketKey("alice"), text))
		if _, err := s.Spend(t.Context(), []ratelimit.Charge{{Key: []byte("alice"), Window: w, Cost: 1}}, make([]limiter.Result, 1)); err != nil {
			t.Errorf("with %q at its key: %v", text, err)
		}
	}
}

// TestDeadlines holds that each call waits for as long as it may and not for those that it is sent with, and that a server that was
// slow for a moment is not away.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	s := open(t, server, "", patience)
	server.Pause(t)
	var group sync.WaitGroup
	waited := make([]time.Duration, 3)
	for i, may := range []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, patience} {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), may)
			defer cancel()
			began := time.Now() //nolint:forbidigo // Deadlines are in real time.
			_, err := s.Spend(ctx, []ratelimit.Charge{{Key: []byte("alice"), Window: limiter.Window{Limit: 5, Per: time.Hour}, Cost: 1}}, make([]limiter.Result, 1))
			waited[i] = time.Since(began) //nolint:forbidigo // As above.
			if (err == nil) != (may == patience) {
				t.Errorf("a call that may wait for %v: %v", may, err)
			}
			if may == 20*time.Millisecond {
				server.Resume(t)
			}
		})
	}
	group.Wait()
	if waited[0] < time.Millisecond || waited[0] >= waited[1] || waited[1] >= waited[2] {
		t.Errorf("the calls waited for %v", waited)
	}
	if c := s.Counts(); c.Failed != 2 || c.Breaks != 0 {
		t.Errorf("counted: %+v", c)
	}
}
