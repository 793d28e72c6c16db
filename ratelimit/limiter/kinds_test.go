package limiter_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/limiter/naive"
)

// begin is when tests of aligned windows begin.
const begin = 1_795_395_600 * time.Second // 2026-11-23 01:00 UTC

// fataler is what tests, properties and fuzz targets have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// pair is a State and what it must agree with.
type pair struct {
	naive.Bucket
	state limiter.State
}

// spend asks both for cost, and spends where it is admitted.
func (p *pair) spend(t fataler, now time.Duration, cost int64) limiter.Result {
	t.Helper()
	w, slack := p.Window, p.Window.Slack()
	r := w.Peek(&p.state, now, cost)
	least, most := p.Spent(now), p.SpentWithin(now, slack)
	granted := p.Granted(now)
	if spent := w.Spent(&p.state, now); spent < least || spent > most {
		t.Fatalf("%+v at %v: %d are spent, want %d to %d", w, now, spent, least, most)
	}
	if low, high := max(w.Most()-most, 0)+granted, max(w.Most()-least, 0)+granted; r.Remaining < low || r.Remaining > high {
		t.Fatalf("%+v at %v: %d remain, want %d to %d", w, now, r.Remaining, low, high)
	}
	if got := w.Granted(&p.state, now); got != granted {
		t.Fatalf("%+v at %v: %d are left of grants, want %d", w, now, got, granted)
	}
	if over := granted == 0 && least > w.Most(); r.OK != (cost <= r.Remaining && !over) {
		t.Fatalf("%+v at %v: cost %d: %+v", w, now, cost, r)
	}
	p.waits(t, now, cost, r)
	if r.OK {
		w.Spend(&p.state, now, cost)
		p.Spend(now, cost)
	}
	return r
}

// waits holds Retry and Reset against what happens after waiting for that long, and for a nanosecond less.
func (p *pair) waits(t fataler, now time.Duration, cost int64, r limiter.Result) {
	t.Helper()
	w := p.Window
	later := func(wait time.Duration, cost int64) (limiter.Result, int64) {
		c := p.state.Clone()
		spent := w.Spent(&c, now+wait)
		return w.Peek(&c, now+wait, cost), spent
	}
	if r.OK != (r.Retry == 0) {
		t.Fatalf("%+v: ok %v with retry %v", w, r.OK, r.Retry)
	}
	if !r.OK && cost <= w.Most() && r.Retry < 1<<62 {
		if after, _ := later(r.Retry, cost); !after.OK {
			t.Fatalf("%+v at %v: after retry %v %d is refused: %+v", w, now, r.Retry, cost, after)
		}
		if before, _ := later(r.Retry-1, cost); before.OK {
			t.Fatalf("%+v at %v: before retry %v %d is admitted: %+v", w, now, r.Retry, cost, before)
		}
	}
	_, spent := later(0, 0)
	if (spent > 0) != (r.Reset > 0) {
		t.Fatalf("%+v at %v: reset %v with %d spent", w, now, r.Reset, spent)
	}
	free := func(spent int64) int64 { return max(w.Most()-spent, 0) }
	if r.Reset > 0 && r.Reset < 1<<62 && w.Limit > 0 {
		_, before := later(r.Reset-1, 0)
		if _, after := later(r.Reset, 0); free(after) <= free(spent) || free(before) > free(spent) {
			t.Fatalf("%+v at %v: after reset %v %d are spent, before %d, now %d", w, now, r.Reset, after, before, spent)
		}
	}
}

// refund and grant do so for both.
func (p *pair) refund(t fataler, now time.Duration, cost int64) {
	t.Helper()
	before := p.Window.Spent(&p.state, now)
	if got := p.Window.Refund(&p.state, now, cost); got != max(min(cost, before), 0) {
		t.Fatalf("%d of %d are given back, of %d", got, cost, before)
	}
	p.Refund(now, cost)
}

func (p *pair) grant(now time.Duration, cost int64) {
	p.Window.Grant(&p.state, now, cost)
	if cost > 0 {
		p.Grant(now, cost)
	}
}

// drawWindow draws a window of any kind, of which naive can tell exactly how much is spent.
func drawWindow(t *rapid.T) limiter.Window {
	limits := rapid.OneOf(rapid.Int64Range(1, 8), rapid.Int64Range(1, 5_000), rapid.Int64Range(1, 1<<48))
	pers := rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, 1e12), rapid.Int64Range(1, int64(366*24*time.Hour)))
	w := limiter.Window{
		Kind: rapid.SampledFrom([]limiter.Kind{limiter.Sliding, limiter.Paced, limiter.Fixed, limiter.Tokens, limiter.Quota}).Draw(t, "kind"),
		Per:  time.Duration(pers.Draw(t, "per")), Limit: limits.Draw(t, "limit"), Burst: rapid.OneOf(rapid.Just(int64(0)), limits).Draw(t, "burst"),
	}
	switch w.Kind {
	case limiter.Sliding:
		w.Limit = rapid.Int64Range(1, limiter.Entries).Draw(t, "exact limit")
	case limiter.Quota:
		w.Calendar, w.Per = drawCalendar(t), 30*24*time.Hour // For the steps below.
	}
	return w
}

// TestKindsAgreeWithNaive spends, gives back and grants at any time from windows of any kind.
func TestKindsAgreeWithNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pair{Bucket: naive.Bucket{Window: drawWindow(t)}}
		w := p.Window
		per := w.Per
		if w.Kind == limiter.Quota {
			p.Window.Per = 0
		}
		now := begin + time.Duration(rapid.Int64Range(0, 1e18).Draw(t, "since"))
		for range rapid.IntRange(1, 8).Draw(t, "phases") {
			wait := time.Duration(rapid.OneOf(
				rapid.Just(int64(0)), rapid.Int64Range(0, int64(per)/20+1), rapid.Int64Range(0, 2*int64(per))).Draw(t, "wait"))
			cost := rapid.OneOf(
				rapid.Just(int64(1)), rapid.Int64Range(0, w.Most()/16+1), rapid.Int64Range(0, w.Most()+1)).Draw(t, "cost")
			for range rapid.IntRange(1, 20).Draw(t, "requests") {
				now += wait
				switch rapid.IntRange(0, 20).Draw(t, "what") {
				case 0:
					p.refund(t, now, rapid.Int64Range(0, 2*cost).Draw(t, "back"))
				case 1:
					p.grant(now, rapid.Int64Range(0, w.Most()/4+1).Draw(t, "grant"))
				default:
					p.spend(t, now, cost)
				}
			}
			if fixed := w.Kind.Aligned(); fixed && rapid.Bool().Draw(t, "change limit") {
				p.Window.Limit = rapid.Int64Range(1, 2*w.Limit).Draw(t, "limit")
			}
		}
	})
}

// TestSlidingRefundsWithSlots gives back from windows that remember several moments as one.
func TestSlidingRefundsWithSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := limiter.Window{Limit: rapid.Int64Range(33, 3_000).Draw(t, "limit"), Per: time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "per"))}
		var s limiter.State
		var spent, given []moment
		now := begin
		for range rapid.IntRange(1, 300).Draw(t, "calls") {
			now += time.Duration(rapid.Int64Range(0, int64(w.Per)/16).Draw(t, "wait"))
			cost := rapid.Int64Range(1, w.Limit/8).Draw(t, "cost")
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				if back := w.Refund(&s, now, cost); back > 0 {
					given = append(given, moment{now, back})
				}
			} else if w.Peek(&s, now, cost).OK {
				w.Spend(&s, now, cost)
				spent = append(spent, moment{now, cost})
			}
			if s.Remembered() > limiter.Entries {
				t.Fatalf("%d moments are remembered", s.Remembered())
			}
		}
		// What is given back may be spent again at once; beyond that, never more than the limit.
		for i := range spent {
			var sum int64
			for _, m := range spent[i:] {
				if m.at-spent[i].at < w.Per {
					sum += m.cost
				}
			}
			for _, m := range given {
				if m.at >= spent[i].at && m.at-spent[i].at < w.Per {
					sum -= m.cost
				}
			}
			if sum > w.Limit {
				t.Fatalf("%d of %d were spent from %v on", sum, w.Limit, spent[i].at)
			}
		}
	})
}

// TestPacedKeepsItsPromise checks the promise itself: in no interval more than Burst + Limit/Per x time, also where the
// numbers change, by the largest of them.
func TestPacedKeepsItsPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]limiter.Kind{limiter.Paced, limiter.Tokens}).Draw(t, "kind")
		draw := func() limiter.Window {
			return limiter.Window{
				Kind: kind, Per: 1_000_003,
				Limit: rapid.Int64Range(1, 3_000).Draw(t, "limit"), Burst: rapid.Int64Range(1, 40).Draw(t, "burst"),
			}
		}
		w := draw()
		limit, burst := w.Limit, w.Burst
		var s limiter.State
		var spent []moment
		now := begin
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now += time.Duration(rapid.Int64Range(0, 60_000).Draw(t, "wait"))
			if rapid.IntRange(0, 30).Draw(t, "change") == 0 {
				w = draw()
				limit, burst = max(limit, w.Limit), max(burst, w.Burst)
			}
			if cost := rapid.Int64Range(1, 10).Draw(t, "cost"); w.Peek(&s, now, cost).OK {
				w.Spend(&s, now, cost)
				spent = append(spent, moment{now, cost})
			}
		}
		for i := range spent {
			var sum int64
			for _, m := range spent[i:] {
				sum += m.cost
				if most := big.NewRat(int64(m.at-spent[i].at)*limit, int64(w.Per)); most.Add(most, big.NewRat(burst, 1)).Cmp(big.NewRat(sum, 1)) < 0 {
					t.Fatalf("%d were spent within %v", sum, m.at-spent[i].at)
				}
			}
		}
	})
}

// TestPacedDoesNotDrift spends all, and then at exactly the pace for long: every request is admitted, and one more never.
func TestPacedDoesNotDrift(t *testing.T) {
	w := limiter.Window{Kind: limiter.Paced, Limit: 7, Per: time.Second, Burst: 3}
	var s limiter.State
	w.Spend(&s, begin, 3)
	for i := int64(1); i < 100_000; i++ {
		now := begin + time.Duration((i*int64(time.Second)+6)/7) // A seventh of a second is no whole number of nanoseconds.
		if r := w.Peek(&s, now, 1); !r.OK {
			t.Fatalf("request %d, which keeps the pace, is refused: %+v", i, r)
		}
		w.Spend(&s, now, 1)
		if r := w.Peek(&s, now, 1); r.OK {
			t.Fatalf("request %d is admitted twice", i)
		}
	}
}

// TestChangedKindStartsAnew changes what a bucket is counted by.
func TestChangedKindStartsAnew(t *testing.T) {
	w := limiter.Window{Limit: 5, Per: time.Minute}
	var s limiter.State
	w.Spend(&s, begin, 5)
	w.Grant(&s, begin, 3)
	w.Kind = limiter.Fixed
	if diff := cmp.Diff(limiter.Result{OK: true, Remaining: 5}, w.Peek(&s, begin, 1)); diff != "" {
		t.Errorf("of another kind (-want +got):\n%s", diff)
	}
	if end := w.Empty(&s); end > begin-time.Hour {
		t.Errorf("an empty state is empty from %v on", end)
	}
}

// TestEmpty holds that a State equals the zero value from Empty on, and not before.
func TestEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pair{Bucket: naive.Bucket{Window: drawWindow(t)}}
		if p.Window.Kind == limiter.Quota {
			p.Window.Per = 0
		}
		p.spend(t, begin, rapid.Int64Range(1, p.Window.Most()).Draw(t, "cost"))
		if rapid.Bool().Draw(t, "granted") {
			p.grant(begin+1, 1)
		}
		end := p.Window.Empty(&p.state)
		holds := func(at time.Duration) bool {
			c := p.state.Clone()
			return p.Window.Spent(&c, at) > 0 || p.Window.Granted(&c, at) > 0
		}
		if end < 1<<62 && (holds(end) || !holds(end-1)) {
			t.Fatalf("%+v: not empty from %v on, but then: %v, %v", p.Window, end, holds(end-1), holds(end))
		}
	})
}

// TestRestore hands a State over to another process: it behaves as before, or like one that is used a little later.
func TestRestore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pair{Bucket: naive.Bucket{Window: drawWindow(t)}}
		flows := p.Window.Kind == limiter.Paced || p.Window.Kind == limiter.Tokens // Rounded up when it moves.
		if p.Window.Kind == limiter.Quota {
			p.Window.Per = 0
		}
		now := begin
		for range rapid.IntRange(0, 40).Draw(t, "calls") {
			now += time.Duration(rapid.Int64Range(0, int64(p.Window.Per)/10+1).Draw(t, "wait"))
			p.spend(t, now, rapid.Int64Range(0, p.Window.Most()/3+1).Draw(t, "cost"))
		}
		if rapid.Bool().Draw(t, "granted") {
			p.grant(now, 5)
		}
		way := time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "way"))
		list := p.state.Spendings(nil, now)
		if len(list) > limiter.SpendingsMost {
			t.Fatalf("%d spendings", len(list))
		}
		same, err := limiter.Restore(p.state.Kind(), list, now)
		if err != nil {
			t.Fatalf("restore: %v", err)
		}
		late, err := limiter.Restore(p.state.Kind(), list, now+way)
		if err != nil {
			t.Fatalf("restore: %v", err)
		}
		for range 20 {
			now += time.Duration(rapid.Int64Range(0, int64(p.Window.Per)/10+1).Draw(t, "wait"))
			cost := rapid.Int64Range(0, p.Window.Most()+1).Draw(t, "cost")
			before, after := p.Window.Peek(&p.state, now, cost), p.Window.Peek(&same, now, cost)
			spent := p.Window.Spent(&same, now)
			if more := spent - p.Window.Spent(&p.state, now); flows && (more < 0 || more > 1) {
				t.Fatalf("after the move %d more are spent", more)
			} else if diff := cmp.Diff(before, after); !flows && diff != "" {
				t.Fatalf("after the move (-want +got):\n%s", diff)
			}
			if got := p.Window.Spent(&late, now+way); !p.Window.Kind.Aligned() && got != spent {
				t.Fatalf("moved on a way of %v, %d are spent, want %d", way, got, spent)
			}
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	for name, list := range map[string][]limiter.Spending{
		"of the future": {{Age: -1, Cost: 1}}, "free": {{Age: 1}}, "out of order": {{Age: 1, Cost: 1}, {Age: 2, Cost: 1}},
		"two grants": {{Age: 2, Cost: -1}, {Age: 1, Cost: -1}}, "overflowing": {{Age: 2, Cost: 1 << 62}, {Age: 1, Cost: 1 << 62}},
		"a grant of all": {{Cost: -1 << 63}}, "a grant of the future": {{Age: -1, Cost: -1}},
	} {
		if _, err := limiter.Restore(limiter.Sliding, list, begin); err == nil {
			t.Errorf("spendings %s are taken", name)
		}
	}
	two := []limiter.Spending{{Age: 2, Cost: 1}, {Age: 1, Cost: 1}}
	if _, err := limiter.Restore(limiter.Paced, two, begin); err == nil {
		t.Error("a paced window takes two moments")
	}
	if _, err := limiter.Restore(limiter.Quota+1, nil, begin); err == nil {
		t.Error("an unknown kind is taken")
	}
}

// FuzzKinds does as a script says, with windows of all kinds.
func FuzzKinds(f *testing.F) {
	f.Add(byte(1), int64(5), int64(time.Minute), int64(3), []byte{0, 1, 0, 1, 200, 1, 255, 3, 1, 250, 1, 130})
	f.Add(byte(3), int64(1000), int64(31), int64(1<<48), []byte{1, 200, 1, 200, 1, 200, 1, 255})
	f.Add(byte(4), int64(7), int64(1), int64(0), []byte{1, 200, 1, 3, 9, 200, 1, 255})
	f.Fuzz(func(t *testing.T, kind byte, limit, per, burst int64, script []byte) {
		w := limiter.Window{
			Kind: limiter.Kind(kind % 5), Limit: abs(limit) % (1 << 48), Per: time.Duration(abs(per)%int64(366*24*time.Hour) + 1), Burst: abs(burst) % (1 << 48),
		}
		step := w.Per
		switch w.Kind {
		case limiter.Sliding:
			w.Limit %= limiter.Entries + 1
		case limiter.Quota:
			w.Per, w.Calendar = 0, &limiter.Calendar{Every: limiter.Period(kind / 5 % 3), Anchor: int(kind/15) % 7}
		}
		p, now := pair{Bucket: naive.Bucket{Window: w}}, begin
		for len(script) >= 2 && len(script) > 0 && now < begin+100*366*24*time.Hour {
			now += min(step/64*time.Duration(script[0]), 40*24*time.Hour)
			switch cost := int64(script[1]); {
			case cost > 250:
				p.refund(t, now, cost-250)
			case cost > 245:
				p.grant(now, cost-245)
			case cost > 127:
				p.spend(t, now, big.NewInt(0).Div(big.NewInt(0).Mul(big.NewInt(cost-127), big.NewInt(w.Most())), big.NewInt(118)).Int64())
			default:
				p.spend(t, now, cost)
			}
			script = script[2:]
		}
	})
}
