package limiter_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const minute = time.Minute

func TestWindowFivePerMinute(t *testing.T) {
	w := limiter.Window{Limit: 5, Per: minute}
	var s limiter.State
	for i := range 5 {
		now := time.Duration(i) * time.Second
		if r := w.Peek(&s, now, 1); !r.OK {
			t.Fatalf("request %d was refused: %+v", i+1, r)
		}
		w.Spend(&s, now, 1)
	}
	steps := []struct {
		now  time.Duration
		cost int64
		want limiter.Result
	}{
		{4 * time.Second, 1, limiter.Result{Reset: 56 * time.Second, Retry: 56 * time.Second}},
		{4 * time.Second, 3, limiter.Result{Reset: 56 * time.Second, Retry: 58 * time.Second}},
		{4 * time.Second, 0, limiter.Result{OK: true, Reset: 56 * time.Second}},
		{4 * time.Second, 6, limiter.Result{Reset: 56 * time.Second, Retry: minute}},
		{minute - 1, 1, limiter.Result{Reset: 1, Retry: 1}},
		{minute, 1, limiter.Result{OK: true, Remaining: 1, Reset: time.Second}},
		{minute + 2*time.Second, 3, limiter.Result{OK: true, Remaining: 3, Reset: time.Second}},
		{minute + 4*time.Second, 5, limiter.Result{OK: true, Remaining: 5}},
	}
	for _, step := range steps {
		if diff := cmp.Diff(step.want, w.Peek(&s, step.now, step.cost)); diff != "" {
			t.Errorf("at %v for %d (-want +got):\n%s", step.now, step.cost, diff)
		}
	}
}

func TestWindowLimitLowered(t *testing.T) {
	var s limiter.State
	limiter.Window{Limit: 100, Per: minute}.Spend(&s, 0, 60)
	limiter.Window{Limit: 100, Per: minute}.Spend(&s, 30*time.Second, 20)
	w := limiter.Window{Limit: 10, Per: minute}
	want := limiter.Result{Reset: minute, Retry: minute}
	if diff := cmp.Diff(want, w.Peek(&s, 30*time.Second, 0)); diff != "" {
		t.Errorf("80 of 10 spent, nothing asked (-want +got):\n%s", diff)
	}
	if r := w.Peek(&s, 90*time.Second, 10); !r.OK {
		t.Errorf("after the old spending has passed 10 are refused: %+v", r)
	}
}

func TestWindowLimitRaisedAboveEntries(t *testing.T) {
	// The exact window has remembered as many moments as it may, two in each slot of the raised one, when another comes.
	n, s := memories{window: limiter.Window{Limit: limiter.Entries, Per: 31_000}}, limiter.State{}
	now := time.Duration(0)
	for range limiter.Entries {
		now += 500
		n.step(t, &s, now, 1)
	}
	n.window.Limit = 1_000
	for now < 100_000 {
		now += 500
		n.step(t, &s, now, 1)
	}
}

func TestWindowTimeNeverRunsBackwards(t *testing.T) {
	w := limiter.Window{Limit: 1, Per: minute}
	var s limiter.State
	w.Spend(&s, 2*minute, 1)
	want := limiter.Result{Reset: minute, Retry: minute}
	if diff := cmp.Diff(want, w.Peek(&s, 0, 1)); diff != "" {
		t.Errorf("a clock that went back (-want +got):\n%s", diff)
	}
}

func TestWindowSpendingBeyondTheLimitStaysBounded(t *testing.T) {
	w := limiter.Window{Limit: 3, Per: minute}
	var s limiter.State
	for i := range 10_000 {
		w.Spend(&s, time.Duration(i), 1<<62)
	}
	if r := w.Peek(&s, minute, 1); r.OK || r.Remaining != 0 {
		t.Errorf("spending beyond the limit is forgotten: %+v", r)
	}
	if end := w.Empty(&s); end != minute+9_999 {
		t.Errorf("empty at %v", end)
	}
}

// memories remembers every moment, without bound: what a Window must agree with.
type memories struct {
	window limiter.Window
	slack  time.Duration // The largest that any of the windows so far had.
	log    []moment
}

type moment struct {
	at   time.Duration
	cost int64
}

// spent returns what was spent in the half-open interval (now-length, now].
func (n *memories) spent(now, length time.Duration) (sum int64) {
	for _, m := range n.log {
		if now-m.at < length {
			sum += m.cost
		}
	}
	return sum
}

// step asks both for cost and reports where they may not differ.
func (n *memories) step(t interface{ Fatalf(string, ...any) }, s *limiter.State, now time.Duration, cost int64) {
	w := n.window
	n.slack = max(n.slack, w.Slack())
	r := w.Peek(s, now, cost)
	least, most := n.spent(now, w.Per), n.spent(now, w.Per+n.slack)
	if r.OK && least+cost > w.Limit {
		t.Fatalf("late: %d admitted at %v while %d of %d are spent", cost, now, least, w.Limit)
	}
	if !r.OK && most+cost <= w.Limit {
		t.Fatalf("too early: %d refused at %v while %d of %d are spent", cost, now, most, w.Limit)
	}
	if r.Remaining > max(w.Limit-least, 0) || r.Remaining < max(w.Limit-most, 0) {
		t.Fatalf("remaining %d, want %d to %d", r.Remaining, w.Limit-most, w.Limit-least)
	}
	n.stepWaits(t, s, r, now, cost)
	if r.OK {
		w.Spend(s, now, cost)
		n.log = append(n.log, moment{now, cost})
	}
	if got := s.Remembered(); got > limiter.Entries {
		t.Fatalf("%d moments are remembered, at most %d may be", got, limiter.Entries)
	}
}

// stepWaits holds Retry and Reset against what happens after waiting for that long, and for a nanosecond less.
func (n *memories) stepWaits(t interface{ Fatalf(string, ...any) }, s *limiter.State, r limiter.Result, now time.Duration, cost int64) {
	later := func(wait time.Duration, cost int64) limiter.Result {
		c := s.Clone()
		return n.window.Peek(&c, now+wait, cost)
	}
	if r.OK != (r.Retry == 0) {
		t.Fatalf("ok %v with retry %v", r.OK, r.Retry)
	}
	if !r.OK && cost <= n.window.Limit && (!later(r.Retry, cost).OK || later(r.Retry-1, cost).OK) {
		t.Fatalf("retry %v is not the moment from which %d is admitted", r.Retry, cost)
	}
	if r.Reset > 0 && (later(r.Reset, 0).Remaining <= r.Remaining || later(r.Reset-1, 0).Remaining > r.Remaining) {
		t.Fatalf("reset %v is not the moment from which more than %d remains", r.Reset, r.Remaining)
	}
}

func TestWindowAgreesWithNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := rapid.OneOf(rapid.Int64Range(1, 8), rapid.Int64Range(30, 35), rapid.Int64Range(1, 5_000))
		w := limiter.Window{
			Limit: limits.Draw(t, "limit"),
			Per:   time.Duration(rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, 1e12)).Draw(t, "per")),
		}
		n, s, now := memories{window: w}, limiter.State{}, time.Duration(0)
		for range rapid.IntRange(1, 8).Draw(t, "phases") {
			// Each phase is steady, so that windows fill up; what comes between two requests and what one costs vary by phase.
			wait := time.Duration(rapid.OneOf(
				rapid.Just(int64(0)), rapid.Int64Range(0, int64(w.Per)/20+1), rapid.Int64Range(0, 2*int64(w.Per))).Draw(t, "wait"))
			cost := rapid.OneOf(rapid.Just(int64(1)), rapid.Int64Range(0, w.Limit/16+1), rapid.Int64Range(0, w.Limit+1)).Draw(t, "cost")
			for range rapid.IntRange(1, 100).Draw(t, "requests") {
				now += wait
				n.step(t, &s, now, cost)
			}
			if rapid.Bool().Draw(t, "change limit") {
				n.window.Limit = limits.Draw(t, "limit")
			}
		}
	})
}

// TestWindowUnderSteadyTraffic fills windows of every kind of limit at every kind of rate, whatever rapid comes up with.
func TestWindowUnderSteadyTraffic(t *testing.T) {
	for _, limit := range []int64{1, 5, 31, 32, 33, 34, 64, 100, 1_000} {
		for _, wait := range []time.Duration{1, 7, 29, 30, 31, 32, 33, 61, 310, 999} {
			n, s := memories{window: limiter.Window{Limit: limit, Per: 1_000}}, limiter.State{}
			for now := time.Duration(0); now < 4_000; now += wait {
				n.step(t, &s, now, max(limit/50, 1))
			}
		}
	}
}

func TestWindowSlack(t *testing.T) {
	for limit, want := range map[int64]time.Duration{1: 0, 32: 0, 33: 10 * time.Second, 1_000_000: 10 * time.Second} {
		if got := (limiter.Window{Limit: limit, Per: 310 * time.Second}).Slack(); got != want {
			t.Errorf("limit %d: slack %v, want %v", limit, got, want)
		}
	}
}

func FuzzWindow(f *testing.F) {
	f.Add(int64(5), int64(minute), []byte{0, 1, 0, 1, 200, 1, 255, 3})
	f.Add(int64(1000), int64(31), []byte{1, 200, 1, 200, 1, 200, 1, 255})
	f.Fuzz(func(t *testing.T, limit, per int64, script []byte) {
		w := limiter.Window{Limit: abs(limit) % 1e9, Per: time.Duration(abs(per)%1e15 + 1)}
		n, s, now := memories{window: w}, limiter.State{}, time.Duration(0)
		for len(script) >= 2 && len(n.log) < 2_000 {
			now += w.Per / 64 * time.Duration(script[0]) / 2
			cost := int64(script[1])
			if cost > 127 {
				cost = (cost - 127) * w.Limit / 128
			}
			n.step(t, &s, now, cost)
			script = script[2:]
		}
	})
}

func abs(v int64) int64 { return max(v, -(v + 1)) }

func BenchmarkWindow(b *testing.B) {
	for name, w := range map[string]limiter.Window{
		"exact": {Limit: 5, Per: time.Second}, "slots": {Limit: 1_000, Per: time.Second},
	} {
		b.Run(name, func(b *testing.B) {
			var s limiter.State
			var now time.Duration
			for b.Loop() {
				now += 10 * time.Millisecond
				if w.Peek(&s, now, 1).OK {
					w.Spend(&s, now, 1)
				}
			}
		})
	}
}
