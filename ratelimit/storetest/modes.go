package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// RunModes runs the part of the suite that is about charges which do not refuse others, or are spent in any case.
func RunModes(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	tests := map[string]func(*testing.T, Subject){
		"a shadow refuses nobody":                       shadowRefusesNobody,
		"a shadow is spent with the others or not":      shadowSpends,
		"always spends where another refuses":           alwaysSpends,
		"always spends only what it admits":             alwaysIsBounded,
		"what always and others spend adds up":          alwaysAddsUp,
		"a refused refund gives back nothing":           refusedRefund,
		"a shadow that always spends is apart from all": shadowAlways,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func shadow(c ratelimit.Charge) ratelimit.Charge {
	c.Shadow = true
	return c
}

func always(c ratelimit.Charge) ratelimit.Charge {
	c.Always = true
	return c
}

func shadowRefusesNobody(t *testing.T, s Subject) {
	s.spend(t, five("shadow", 5))
	s.expect(t, step{
		"the shadow is reached", of(shadow(five("shadow", 1)), five("alice", 1)), true,
		of(limiter.Result{Reset: time.Minute, Retry: time.Minute}, limiter.Result{OK: true, Remaining: 4, Reset: time.Minute}),
	})
	s.expect(t, step{
		"alone", of(shadow(five("shadow", 1))), true, of(limiter.Result{Reset: time.Minute, Retry: time.Minute}),
	})
}

func shadowSpends(t *testing.T, s Subject) {
	after := limiter.Result{OK: true, Remaining: 4, Reset: time.Minute}
	s.expect(t, step{"both admit", of(shadow(five("shadow", 1)), five("alice", 1)), true, of(after, after)})
	s.spend(t, five("alice", 4))
	s.expect(t, step{
		"the other refuses", of(five("alice", 1), shadow(five("shadow", 1))), false,
		of(limiter.Result{Reset: time.Minute, Retry: time.Minute}, after),
	})
	s.expect(t, step{"the shadow has spent nothing", of(five("shadow", 0)), true, of(after)})
}

func alwaysSpends(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5))
	spent := limiter.Result{OK: true, Remaining: 4, Reset: time.Minute}
	fresh := limiter.Result{OK: true, Remaining: 5}
	refused := limiter.Result{Reset: time.Minute, Retry: time.Minute}
	s.expect(t, step{
		"alice is refused", of(always(five("address", 1)), five("alice", 1), five("api", 1)), false, of(spent, refused, fresh),
	})
	spent.Remaining = 3
	s.expect(t, step{"the other order", of(five("alice", 1), always(five("address", 1))), false, of(refused, spent)})
}

func alwaysIsBounded(t *testing.T, s Subject) {
	refused := limiter.Result{Remaining: 5, Retry: time.Minute}
	fresh := limiter.Result{OK: true, Remaining: 5}
	s.expect(t, step{"it refuses itself, and others", of(always(five("address", 6)), five("alice", 1)), false, of(refused, fresh)})
	s.spend(t, five("alice", 5))
	for i := range 9 {
		s.spend(t, always(five("address", 1)), five("alice", 1))
		if _, r := s.spend(t, five("address", 0)); r[0].Remaining != int64(max(4-i, 0)) {
			t.Errorf("after %d refused requests %d remain", i+1, r[0].Remaining)
		}
	}
}

func alwaysAddsUp(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5))
	ok, r := s.spend(t, always(five("address", 3)), five("alice", 1), always(five("address", 2)), always(five("address", 1)))
	if ok || !r[0].OK || !r[2].OK || r[3].OK {
		t.Errorf("admitted %v: %+v", ok, r)
	}
	for _, i := range []int{0, 2, 3} {
		if r[i].Remaining != 0 {
			t.Errorf("charge %d sees %d remain after all, want 0", i, r[i].Remaining)
		}
	}
}

func refusedRefund(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5))
	s.spend(t, five("bob", 3))
	ok, r := s.spend(t, five("bob", -2), five("alice", 1))
	if ok || !r[0].OK || r[0].Remaining != 2 {
		t.Errorf("admitted %v: %+v", ok, r)
	}
	if ok, r = s.spend(t, always(five("bob", -2)), five("alice", 1)); ok || !r[0].OK || r[0].Remaining != 4 {
		t.Errorf("always, admitted %v: %+v", ok, r)
	}
}

func shadowAlways(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5))
	both := shadow(always(five("shadow", 2)))
	for i, want := range []int64{3, 1, 1} {
		ok, r := s.spend(t, both, five("alice", 1))
		if ok || r[0].Remaining != want || r[0].OK != (i < 2) {
			t.Errorf("call %d, admitted %v: %+v", i, ok, r[0])
		}
	}
	if ok, _ := s.spend(t, both, five("bob", 1)); !ok {
		t.Error("a shadow that always spends refuses others")
	}
}
