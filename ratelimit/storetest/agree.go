package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/limiter/naive"
)

// grain is how exact a store's time must be: what it tells to wait is not less than it should be, and less than grain more.
const grain = time.Microsecond

func concurrentKinds(t *testing.T, s Subject) {
	for name, w := range ten() {
		var admitted atomic.Int64
		together(t, 100, func(i int) error {
			ok, err := s.Store.Spend(t.Context(), of(charge(name, w, 1), charge(fmt.Sprint(name, i), w, 1)), make([]limiter.Result, 2))
			if ok {
				admitted.Add(1)
			}
			return err
		})
		if got := admitted.Load(); got != 10 {
			t.Errorf("%s: %d of 100 calls were admitted, want 10", name, got)
		}
	}
}

// fleet is what all kinds of window are, the slow way, under the keys of one run.
type fleet struct {
	run     int
	buckets []naive.Bucket
}

func newFleet(run int) *fleet {
	windows := []limiter.Window{
		{Limit: 7, Per: 3 * time.Second},
		{Kind: limiter.Paced, Limit: 7, Per: 3 * time.Second, Burst: 3},
		{Kind: limiter.Fixed, Limit: 5, Per: 2 * time.Second},
		{Kind: limiter.Tokens, Limit: 11, Per: 7 * time.Second, Burst: 9},
		{Kind: limiter.Quota, Limit: 6, Calendar: &limiter.Calendar{Every: limiter.Day}},
	}
	f := &fleet{run: run}
	for _, w := range windows {
		f.buckets = append(f.buckets, naive.Bucket{Window: w})
	}
	return f
}

// draw draws a charge on one of the buckets, and says on which.
func (f *fleet) draw(t *rapid.T) (ratelimit.Charge, int) {
	i := rapid.IntRange(0, len(f.buckets)-1).Draw(t, "bucket")
	c := charge(fmt.Sprint("fleet ", f.run, "/", i), f.buckets[i].Window, rapid.Int64Range(0, 3).Draw(t, "cost"))
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		c.Cost = -c.Cost
	case 1:
		c.Cost, c.Grant = -c.Cost, true
	case 2:
		c.Shadow = true
	case 3:
		c.Always = true
	}
	return c, i
}

// spend follows the definition, and returns which charges are admitted.
func (f *fleet) spend(now time.Duration, charges []ratelimit.Charge, on []int) (all bool, admitted []bool) {
	all = true
	asked := map[int]int64{}
	for i, c := range charges {
		b := &f.buckets[on[i]]
		asked[on[i]] += max(c.Cost, 0)
		ok := c.Cost < 0 || asked[on[i]] <= b.Remaining(now)
		admitted = append(admitted, ok)
		all = all && (ok || c.Shadow)
	}
	for i, c := range charges {
		b := &f.buckets[on[i]]
		switch {
		case !admitted[i] || !all && !c.Always:
		case c.Grant:
			if c.Cost < 0 {
				b.Grant(now, -c.Cost)
			}
		case c.Cost < 0:
			b.Refund(now, -c.Cost)
		default:
			b.Spend(now, c.Cost)
		}
	}
	return all, admitted
}

func kindsAgree(t *testing.T, s Subject) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		f := newFleet(run)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			most := rapid.SampledFrom([]int64{0, 300_000, 300_000, 3_000_000, 40_000_000_000}).Draw(t, "longest")
			s.Advance(time.Duration(rapid.Int64Range(0, most).Draw(t, "wait")) * time.Microsecond)
			now := time.Duration(s.Now().UnixNano())
			var charges []ratelimit.Charge
			var on []int
			for range rapid.IntRange(1, 5).Draw(t, "charges") {
				c, i := f.draw(t)
				charges, on = append(charges, c), append(on, i)
			}
			want, admitted := f.spend(now, charges, on)
			got, results := s.spend(t, charges...)
			if got != want {
				t.Fatalf("at %v %+v: admitted %v, want %v", now, charges, got, want)
			}
			for i, r := range results {
				if left := f.buckets[on[i]].Remaining(now); r.OK != admitted[i] || r.Remaining != left || r.OK != (r.Retry == 0) {
					t.Fatalf("at %v charge %d of %+v: %+v, want ok %v and %d remaining", now, i, charges, r, admitted[i], left)
				}
				f.resets(t, on[i], now, r.Reset)
			}
		}
	})
}

// resets holds Reset against the model: when it has passed, more remains, and not much before.
func (f *fleet) resets(t *rapid.T, on int, now, reset time.Duration) {
	spent := func(at time.Duration) int64 {
		b := f.buckets[on].Clone()
		return b.Spent(at)
	}
	if was := spent(now); was == 0 {
		if reset != 0 {
			t.Fatalf("reset %v where nothing is spent", reset)
		}
	} else if spent(now+reset) >= was || reset > grain && spent(now+reset-grain) < was {
		t.Fatalf("reset %v is not when less than %d is spent from bucket %d", reset, was, on)
	}
}
