package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// RunReturns runs the part of the suite that is about what is given: refunds, grants, resets.
func RunReturns(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	tests := map[string]func(*testing.T, Subject){
		"a refund gives back":                            refunds,
		"a refund gives back the oldest":                 refundsOldest,
		"a refund never gives more than was spent":       refundsNoMore,
		"a refund in the same call admits nothing":       refundsLater,
		"a grant admits more until the window passed":    grants,
		"a grant is taken last, and what is left passes": grantsPass,
		"grants add up":                                  grantsAddUp,
		"a grant of a quota ends with its period":        grantsOfQuota,
		"reset forgets all kinds and grants":             resetsKinds,
		"what was used is spent whatever remains":        beyond,
		"extremes": extremes,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// beyond spends more than remains of a window of each kind; then nothing more is admitted until that has passed.
func beyond(t *testing.T, s Subject) {
	for kind, w := range map[string]limiter.Window{
		"sliding": {Limit: 5, Per: time.Minute}, "slots": {Limit: 100, Per: time.Minute},
		"paced":  {Kind: limiter.Paced, Limit: 5, Per: time.Minute, Burst: 5},
		"tokens": {Kind: limiter.Tokens, Limit: 5, Per: time.Minute, Burst: 5}, "fixed": {Kind: limiter.Fixed, Limit: 5, Per: time.Hour},
	} {
		used := ratelimit.Charge{Key: []byte(kind), Window: w, Cost: 2 * w.Limit, Beyond: true}
		for range 2 {
			if ok, r := s.spend(t, used); !ok || !r[0].OK || r[0].Remaining != 0 {
				t.Errorf("%s: used %d: %t, %+v", kind, used.Cost, ok, r[0])
			}
		}
		more := used
		more.Cost, more.Beyond = 1, false
		if ok, r := s.spend(t, more); ok || r[0].Retry <= 0 {
			t.Errorf("%s: 1 more: %t, %+v", kind, ok, r[0])
		}
		more.Cost = -4 * w.Limit
		s.spend(t, more)
		more.Cost = w.Limit
		if ok, r := s.spend(t, more); !ok {
			t.Errorf("%s: all was given back: %+v", kind, r[0])
		}
	}
}

func grant(c ratelimit.Charge) ratelimit.Charge {
	c.Cost, c.Grant = -c.Cost, true
	return c
}

func (s Subject) remain(t *testing.T, what string, c ratelimit.Charge, want int64) {
	t.Helper()
	c.Cost = 0
	if _, r := s.spend(t, c); r[0].Remaining != want {
		t.Errorf("%s: %d remain, want %d", what, r[0].Remaining, want)
	}
}

func refunds(t *testing.T, s Subject) {
	for name, w := range ten() {
		s.spend(t, charge(name, w, 10))
		ok, r := s.spend(t, charge(name, w, -4))
		if !ok || !r[0].OK || r[0].Remaining != 4 || r[0].Reset <= 0 || r[0].Retry != 0 {
			t.Errorf("%s: 4 of 10 given back: %v, %+v", name, ok, r[0])
		}
		if ok, _ := s.spend(t, charge(name, w, 5)); ok {
			t.Errorf("%s: 5 admitted after 4 were given back", name)
		}
		if ok, _ := s.spend(t, charge(name, w, 4)); !ok {
			t.Errorf("%s: 4 refused after 4 were given back", name)
		}
	}
}

func refundsOldest(t *testing.T, s Subject) {
	s.spend(t, five("alice", 2))
	s.Advance(30 * time.Second)
	s.spend(t, five("alice", 3))
	after := limiter.Result{OK: true, Remaining: 3, Reset: time.Minute}
	s.expect(t, step{"all of the oldest, and one more", of(five("alice", -3)), true, of(after)})
	s.Advance(30 * time.Second)
	s.remain(t, "as the oldest would have passed", five("alice", 0), 3)
}

func refundsNoMore(t *testing.T, s Subject) {
	for name, w := range ten() {
		s.spend(t, charge(name, w, 3))
		s.spend(t, charge(name, w, -7))
		s.remain(t, name, charge(name, w, 0), 10)
		s.spend(t, charge("nothing spent of "+name, w, -7))
		s.remain(t, name, charge("nothing spent of "+name, w, 0), 10)
	}
}

func refundsLater(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5))
	if ok, _ := s.spend(t, five("alice", -2), five("alice", 1)); ok {
		t.Error("a call was admitted by what it gives back itself")
	}
	s.expect(t, step{
		"both in a call that is admitted", of(five("bob", 2), five("bob", -1)), true,
		of(limiter.Result{OK: true, Remaining: 4, Reset: time.Minute}, limiter.Result{OK: true, Remaining: 4, Reset: time.Minute}),
	})
}

func grants(t *testing.T, s Subject) {
	for name, w := range ten() {
		s.spend(t, charge(name, w, 10))
		ok, r := s.spend(t, grant(charge(name, w, 6)))
		if !ok || !r[0].OK || r[0].Remaining != 6 {
			t.Errorf("%s: 6 granted: %v, %+v", name, ok, r[0])
		}
		if ok, _ := s.spend(t, charge(name, w, 7)); ok {
			t.Errorf("%s: 7 admitted of 6", name)
		}
		if ok, _ := s.spend(t, charge(name, w, 6)); !ok {
			t.Errorf("%s: 6 refused of 6", name)
		}
		if ok, _ := s.spend(t, charge(name, w, 1)); ok {
			t.Errorf("%s: more admitted than limit and grant", name)
		}
		s.spend(t, grant(charge("fresh "+name, w, 6)))
		if ok, _ := s.spend(t, charge("fresh "+name, w, 16)); !ok {
			t.Errorf("%s: a cost of limit and grant refused", name)
		}
	}
}

func grantsPass(t *testing.T, s Subject) {
	s.spend(t, grant(five("alice", 3)))
	s.expect(t, step{"within the limit", of(five("alice", 4)), true, of(limiter.Result{OK: true, Remaining: 4, Reset: time.Minute})})
	s.spend(t, five("alice", 2))
	s.Advance(time.Minute - time.Millisecond)
	s.remain(t, "before it passes", five("alice", 0), 2)
	s.Advance(time.Millisecond)
	s.remain(t, "after it passed", five("alice", 0), 5)
	s.spend(t, five("bob", 5))
	s.Advance(30 * time.Second)
	s.spend(t, grant(five("bob", 2)))
	refused := limiter.Result{Remaining: 2, Reset: 30 * time.Second, Retry: 30 * time.Second}
	s.expect(t, step{"more than grant and limit admit now", of(five("bob", 6)), false, of(refused)})
	never := limiter.Result{Remaining: 2, Reset: 30 * time.Second, Retry: time.Minute}
	s.expect(t, step{"more than they ever do", of(five("bob", 8)), false, of(never)})
}

func grantsAddUp(t *testing.T, s Subject) {
	for name, w := range ten() {
		s.spend(t, grant(charge(name, w, 2)), grant(charge(name, w, 3)))
		s.spend(t, grant(charge(name, w, 4)))
		s.remain(t, name, charge(name, w, 0), 19)
	}
}

func grantsOfQuota(t *testing.T, s Subject) {
	w := limiter.Window{Kind: limiter.Quota, Limit: 5, Calendar: &limiter.Calendar{Every: limiter.Week, Anchor: 3}}
	wednesday := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	s.spend(t, charge("alice", w, 5), grant(charge("alice", w, 4)))
	s.to(t, wednesday.Add(-time.Millisecond))
	refused := limiter.Result{Remaining: 4, Reset: time.Millisecond, Retry: time.Millisecond}
	s.expect(t, step{"before the week ends", of(charge("alice", w, 5)), false, of(refused)})
	s.Advance(time.Millisecond)
	after := limiter.Result{OK: true, Reset: 7 * 24 * time.Hour}
	s.expect(t, step{"as the next begins", of(charge("alice", w, 5)), true, of(after)})
}

func resetsKinds(t *testing.T, s Subject) {
	for name, w := range ten() {
		s.spend(t, charge(name, w, 7), grant(charge(name, w, 5)))
		if err := s.Store.Reset(t.Context(), [][]byte{[]byte(name)}); err != nil {
			t.Fatal(err)
		}
		s.remain(t, name, charge(name, w, 0), 10)
	}
}

// extremes are the largest numbers for which a window promises to be exact.
func extremes(t *testing.T, s Subject) {
	const most = 1 << 48
	for kind := limiter.Sliding; kind <= limiter.Quota; kind++ {
		w := limiter.Window{Kind: kind, Limit: most, Per: 366 * 24 * time.Hour, Burst: most}
		if kind == limiter.Quota {
			w.Per, w.Calendar = 0, &limiter.Calendar{Every: limiter.Month}
		}
		key := string(rune('a' + kind))
		for _, cost := range []int64{most + 1, 1 << 62, 1<<63 - 1} {
			if ok, _ := s.spend(t, charge(key, w, cost)); ok {
				t.Errorf("kind %d: %d of %d admitted", kind, cost, int64(most))
			}
		}
		if ok, r := s.spend(t, charge(key, w, most-1)); !ok || r[0].Remaining != 1 {
			t.Errorf("kind %d: all but one: %v, %+v", kind, ok, r[0])
		}
		if ok, r := s.spend(t, charge(key, w, 2)); ok || r[0].Remaining != 1 || r[0].Retry <= 0 {
			t.Errorf("kind %d: one too many: %v, %+v", kind, ok, r[0])
		}
		if ok, r := s.spend(t, charge(key, w, 1)); !ok || r[0].Remaining != 0 {
			t.Errorf("kind %d: the last one: %v, %+v", kind, ok, r[0])
		}
		if _, r := s.spend(t, charge(key, w, -1<<63)); r[0].Remaining != most {
			t.Errorf("kind %d: all given back: %+v", kind, r[0])
		}
	}
}
