package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// TestMonthsStay floods a full store by keys that each come back, under a limit that they reach at once: what was spent from
// quotas is not forgotten.
func TestMonthsStay(t *testing.T) {
	const customers = 200
	month := limiter.Window{Kind: limiter.Quota, Limit: 1_000_000, Calendar: &limiter.Calendar{Every: limiter.Month}}
	s, _ := open(6_400)
	for c := range customers {
		for range 3 {
			spend(t, s, fmt.Sprint("customer ", c), month)
		}
	}
	for i := range 60_000 {
		for range 2 {
			spend(t, s, fmt.Sprint("invented ", i), limiter.Window{Limit: 1, Per: time.Minute})
		}
	}
	if s.Evicted() == 0 {
		t.Fatal("nothing was pushed out: the flood was none")
	}
	for c := range customers {
		if _, r := spend(t, s, fmt.Sprint("customer ", c), month); r.Remaining != 1_000_000-4 {
			t.Errorf("customer %d has %d left", c, r.Remaining)
		}
	}
	for i := range 60_000 { // A flood of months that come back has half of the store at most, and pushes out its like.
		for range 2 {
			spend(t, s, fmt.Sprint("invented month ", i), month)
		}
	}
	forgotten := 0
	for c := range customers {
		if _, r := spendOf(t, s, ratelimit.Charge{Key: fmt.Append(nil, "customer ", c), Window: month}); r.Remaining != 1_000_000-4 {
			forgotten++
		}
	}
	if forgotten > customers/50 {
		t.Errorf("%d of %d customers are forgotten", forgotten, customers)
	}
}

// TestGrantsStay floods a full store: who was granted more keeps it.
func TestGrantsStay(t *testing.T) {
	s, _ := open(6_400)
	w := limiter.Window{Limit: 10, Per: time.Minute}
	for range 2 {
		spendOf(t, s, ratelimit.Charge{Key: []byte("alice"), Window: w, Cost: -5, Grant: true})
	}
	flood(t, s, w)
	if _, r := spendOf(t, s, ratelimit.Charge{Key: []byte("alice"), Window: w}); r.Remaining != 20 {
		t.Errorf("%d remain, want limit and grants", r.Remaining)
	}
}
