package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

// standing returns a connected store whose time a test moves.
func standing(t *testing.T, server *needs.RedisServer, clock *storetest.Clock) *redis.Store {
	t.Helper()
	s := redis.Standing(redis.Options{Address: address(t, "unix:"+server.Socket), Timeout: patience}, clock.Now)
	t.Cleanup(s.Close)
	s.Start()
	up(t, s, true)
	return s
}

func charge(key string, w limiter.Window, cost int64) ratelimit.Charge {
	return ratelimit.Charge{Key: []byte(key), Window: w, Cost: cost}
}

// TestRefusedHere holds that the server is asked once for what it is known to refuse, and at once again where something is given
// back to the bucket here, or its limit is edited.
func TestRefusedHere(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	clock := storetest.NewClock()
	s := standing(t, server, clock)
	w := limiter.Window{Limit: 2, Per: time.Minute}
	give := func(c ratelimit.Charge) {
		t.Helper()
		if ok, err := s.Spend(t.Context(), []ratelimit.Charge{c}, make([]limiter.Result, 1)); !ok || err != nil {
			t.Fatalf("give back: %v, %v", ok, err)
		}
	}
	ways := []struct {
		name string
		give func()
		w    limiter.Window
	}{
		{"reset", func() {
			if err := s.Reset(t.Context(), [][]byte{[]byte("reset")}); err != nil {
				t.Fatal(err)
			}
		}, w},
		{"refund", func() { give(charge("refund", w, -1)) }, w},
		{"grant", func() { c := charge("grant", w, -1); c.Grant = true; give(c) }, w},
		{"a raised limit", func() {}, limiter.Window{Limit: 3, Per: time.Minute}},
		{"time", func() { clock.Advance(time.Minute) }, w},
	}
	for _, way := range ways {
		spend(t, s, way.name, w, 2)
		before := s.Counts()
		for i := range 100 {
			clock.Advance(100 * time.Microsecond)
			passed := time.Duration(i+1) * 100 * time.Microsecond
			ok, r := spend(t, s, way.name, w, 1+int64(i%2))
			if diff := cmp.Diff(limiter.Result{Reset: time.Minute - passed, Retry: time.Minute - passed}, r); ok || diff != "" {
				t.Fatalf("%s, call %d: admitted %v (-want +got):\n%s", way.name, i, ok, diff)
			}
		}
		if after := s.Counts(); after.Calls != before.Calls+1 || after.RefusedHere != before.RefusedHere+99 {
			t.Errorf("%s: of 100 calls %d were brought to the server, want 1", way.name, after.Calls-before.Calls)
		}
		if ok, _ := spend(t, s, way.name, way.w, 0); !ok {
			t.Errorf("%s: one may not even look", way.name)
		}
		spend(t, s, way.name, w, 1) // Known again.
		way.give()
		if ok, r := spend(t, s, way.name, way.w, 1); !ok {
			t.Errorf("%s: refused afterwards: %+v", way.name, r)
		}
	}
}

// TestRefusedElsewhere holds that a replica finds out within LookAgain that another one gave something back, and that one call
// alone asks for it.
func TestRefusedElsewhere(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	clock := storetest.NewClock()
	one, other := standing(t, server, clock), standing(t, server, clock)
	w := limiter.Window{Limit: 1, Per: time.Hour}
	spend(t, one, "alice", w, 1)
	spend(t, one, "alice", w, 1)
	if err := other.Reset(t.Context(), [][]byte{[]byte("alice")}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(redis.LookAgain - time.Microsecond)
	if ok, _ := spend(t, one, "alice", w, 1); ok {
		t.Error("it was asked at once: nothing is refused here")
	}
	clock.Advance(time.Microsecond)
	if ok, _ := spend(t, one, "alice", w, 1); !ok {
		t.Errorf("after %v it is refused still", redis.LookAgain)
	}
}

// TestRefusedTogether holds that a call is refused here with all of its charges told, and never where one of them is to be spent.
func TestRefusedTogether(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	clock := storetest.NewClock()
	s := standing(t, server, clock)
	w := limiter.Window{Limit: 2, Per: time.Minute}
	full, free := charge("full", w, 1), charge("free", w, 1)
	spend(t, s, "full", w, 2)
	results := make([]limiter.Result, 2)
	for i := range 3 {
		ok, err := s.Spend(t.Context(), []ratelimit.Charge{full, free}, results)
		want := []limiter.Result{{Reset: time.Minute, Retry: time.Minute}, {OK: true, Remaining: 2}}
		if diff := cmp.Diff(want, results); ok || err != nil || diff != "" {
			t.Errorf("call %d: admitted %v, %v (-want +got):\n%s", i+1, ok, err, diff)
		}
	}
	if c := s.Counts(); c.RefusedHere != 2 {
		t.Errorf("%d were refused here, want 2", c.RefusedHere)
	}
	free.Always = true
	for i := range 2 {
		if ok, err := s.Spend(t.Context(), []ratelimit.Charge{full, free}, results); ok || err != nil || results[1].Remaining != int64(1-i) {
			t.Errorf("one that is always spent: admitted %v, %v, %+v", ok, err, results)
		}
	}
	full.Shadow = true
	if ok, err := s.Spend(t.Context(), []ratelimit.Charge{full}, results[:1]); !ok || err != nil || results[0].OK {
		t.Errorf("a shadow: admitted %v, %v, %+v", ok, err, results[0])
	}
}

// TestRefusalsAreBounded holds that a flood of keys makes a replica remember no more than it may.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, needs.Redis(t), "", patience)
	nothing := limiter.Window{Limit: 0, Per: time.Hour}
	charges, results := make([]ratelimit.Charge, 200), make([]limiter.Result, 200)
	for i := range 100 {
		for j := range charges {
			charges[j] = charge(fmt.Sprint(i, " ", j), nothing, 1)
		}
		if ok, err := s.Spend(t.Context(), charges, results); ok || err != nil {
			t.Fatalf("admitted %v, %v", ok, err)
		}
	}
	if kept := s.RefusalsKept(); kept > redis.RefusalsBound || kept < redis.RefusalsBound/2 {
		t.Errorf("refusals of %d buckets are kept, of 20,000, want at most %d", kept, redis.RefusalsBound)
	}
}
