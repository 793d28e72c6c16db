package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Context() context.Context
	Fatalf(format string, args ...any)
}

const workers = 8

func concurrent(t *testing.T, s Subject) {
	for _, limit := range []int64{1, 31, 1_000} {
		w := limiter.Window{Limit: limit, Per: time.Hour}
		var admitted atomic.Int64
		together(t, int(10*limit), func(int) error {
			ok, err := s.Store.Spend(t.Context(), of(charge(fmt.Sprint(limit), w, 1)), make([]limiter.Result, 1))
			if ok {
				admitted.Add(1)
			}
			return err
		})
		if got := admitted.Load(); got != limit {
			t.Errorf("%d of %d calls were admitted, want %d", got, 10*limit, limit)
		}
	}
}

// crossed spends from two buckets in both orders: a store that locks in the order of charges would block for ever, and one
// that is not atomic would spend from one bucket what the other refuses.
func crossed(t *testing.T, s Subject) {
	const limit, calls = 200, 4_000
	w := limiter.Window{Limit: limit, Per: time.Hour}
	var admitted atomic.Int64
	together(t, calls, func(i int) error {
		pair := of(charge("first", w, 1), charge("second", w, 2))
		if i%2 == 1 {
			pair[0], pair[1] = pair[1], pair[0]
		}
		ok, err := s.Store.Spend(t.Context(), pair, make([]limiter.Result, 2))
		if ok {
			admitted.Add(1)
		}
		return err
	})
	if got := admitted.Load(); got != limit/2 {
		t.Errorf("%d calls were admitted, want %d", got, limit/2)
	}
	_, results := s.spend(t, charge("first", w, 0), charge("second", w, 0))
	if results[0].Remaining != limit/2 || results[1].Remaining != 0 {
		t.Errorf("%d and %d remain, want %d and 0", results[0].Remaining, results[1].Remaining, limit/2)
	}
}

// together runs n calls on several goroutines.
func together(t *testing.T, n int, call func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := call(int(i)); err != nil {
					t.Errorf("spend: %v", err)
					return
				}
			}
		})
	}
	group.Wait()
}

// model spends the slow way: it remembers every moment.
type model map[string][]moment

type moment struct {
	at   time.Duration
	cost int64
}

func (m model) spent(key string, now time.Duration, w limiter.Window) (sum int64) {
	for _, spent := range m[key] {
		if now-spent.at < w.Per {
			sum += spent.cost
		}
	}
	return sum
}

// spend follows the definition: all or nothing, charges on one bucket add up.
func (m model) spend(now time.Duration, charges []ratelimit.Charge) bool {
	asked := map[string]int64{}
	for _, c := range charges {
		key := string(c.Key)
		asked[key] += c.Cost
		if m.spent(key, now, c.Window)+asked[key] > c.Window.Limit {
			return false
		}
	}
	for _, c := range charges {
		m[string(c.Key)] = append(m[string(c.Key)], moment{now, c.Cost})
	}
	return true
}

func agrees(t *testing.T, s Subject) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		anyCharge := rapid.Custom(func(t *rapid.T) ratelimit.Charge {
			i := rapid.IntRange(0, 3).Draw(t, "key")
			w := limiter.Window{Limit: int64(2 + 5*i), Per: time.Duration(i+1) * time.Second}
			return charge(fmt.Sprint(run, "/", i), w, rapid.Int64Range(0, 3).Draw(t, "cost"))
		})
		m, now := model{}, time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			wait := time.Duration(rapid.Int64Range(0, 400).Draw(t, "wait")) * time.Millisecond
			s.Advance(wait)
			now += wait
			charges := rapid.SliceOfN(anyCharge, 1, 5).Draw(t, "charges")
			want := m.spend(now, charges)
			got, results := s.spend(t, charges...)
			if got != want {
				t.Fatalf("at %v %v: admitted %v, want %v", now, charges, got, want)
			}
			for i, c := range charges {
				if left := c.Window.Limit - m.spent(string(c.Key), now, c.Window); results[i].Remaining != left {
					t.Fatalf("at %v charge %d: %d remain, want %d", now, i, results[i].Remaining, left)
				}
			}
		}
	})
}
