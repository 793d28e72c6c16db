package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// RunKinds runs the part of the suite that is about windows of all kinds. The Subject needs its Now.
func RunKinds(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	tests := map[string]func(*testing.T, Subject){
		"paced admits a burst and then a pace":      paced,
		"tokens flow":                               tokens,
		"fixed begins at multiples of its length":   fixed,
		"a quota ends with its day":                 daily,
		"a quota ends with its month":               monthly,
		"a changed number keeps what was spent":     changedNumbers,
		"a changed pace counts from now on":         changedPace,
		"windows of several kinds spend together":   severalKinds,
		"concurrent spending of all kinds is exact": concurrentKinds,
		"all kinds agree with a model":              kindsAgree,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// ten are windows of every kind that admit ten at once. Until hour has passed since the Clock began, none of the periods ends.
func ten() map[string]limiter.Window {
	return map[string]limiter.Window{
		"sliding": {Limit: 10, Per: 10 * time.Second},
		"paced":   {Kind: limiter.Paced, Limit: 100, Per: 100 * time.Second, Burst: 10},
		"fixed":   {Kind: limiter.Fixed, Limit: 10, Per: 10 * time.Second},
		"tokens":  {Kind: limiter.Tokens, Limit: 1, Per: time.Second, Burst: 10},
		"quota":   {Kind: limiter.Quota, Limit: 10, Calendar: &limiter.Calendar{Every: limiter.Day}},
	}
}

// to moves the clock to a time of the day on which a Clock begins, or of a later one.
func (s Subject) to(t *testing.T, when time.Time) {
	t.Helper()
	wait := when.Sub(s.Now())
	if wait < 0 {
		t.Fatalf("%v has passed, it is %v", when, s.Now())
	}
	s.Advance(wait)
}

func paced(t *testing.T, s Subject) {
	w := limiter.Window{Kind: limiter.Paced, Limit: 60, Per: time.Minute, Burst: 5}
	for i := range 5 {
		after := limiter.Result{OK: true, Remaining: int64(4 - i), Reset: time.Second}
		s.expect(t, step{fmt.Sprint("request ", i+1), of(charge("alice", w, 1)), true, of(after)})
	}
	refused := limiter.Result{Reset: time.Second, Retry: 3 * time.Second}
	s.expect(t, step{"three at once", of(charge("alice", w, 3)), false, of(refused)})
	s.Advance(900 * time.Millisecond)
	refused = limiter.Result{Reset: 100 * time.Millisecond, Retry: 100 * time.Millisecond}
	s.expect(t, step{"too soon", of(charge("alice", w, 1)), false, of(refused)})
	s.Advance(2100 * time.Millisecond)
	s.expect(t, step{"after three seconds", of(charge("alice", w, 3)), true, of(limiter.Result{OK: true, Reset: time.Second})})
	s.Advance(time.Hour)
	s.expect(t, step{"after an hour", of(charge("alice", w, 5)), true, of(limiter.Result{OK: true, Reset: time.Second})})
	never := limiter.Result{Reset: time.Second, Retry: time.Minute}
	s.expect(t, step{"more than the burst", of(charge("alice", w, 6)), false, of(never)})
	apart := limiter.Window{Kind: limiter.Paced, Limit: 10, Per: time.Second}
	s.expect(t, step{"without a burst", of(charge("bob", apart, 1)), true, of(limiter.Result{OK: true, Reset: 100 * time.Millisecond})})
}

func tokens(t *testing.T, s Subject) {
	w := limiter.Window{Kind: limiter.Tokens, Limit: 2, Per: time.Second, Burst: 10}
	after := limiter.Result{OK: true, Remaining: 3, Reset: 500 * time.Millisecond}
	s.expect(t, step{"seven of ten", of(charge("alice", w, 7)), true, of(after)})
	s.Advance(1250 * time.Millisecond) // Two and a half tokens, of which the half is kept.
	after = limiter.Result{OK: true, Remaining: 0, Reset: 250 * time.Millisecond}
	s.expect(t, step{"five of five and a half", of(charge("alice", w, 5)), true, of(after)})
	same := limiter.Window{Kind: limiter.Tokens, Limit: 2, Per: time.Second}
	refused := limiter.Result{Remaining: 2, Retry: time.Second}
	s.expect(t, step{"without a size the bucket holds what flows", of(charge("bob", same, 3)), false, of(refused)})
}

func fixed(t *testing.T, s Subject) {
	w := limiter.Window{Kind: limiter.Fixed, Limit: 5, Per: time.Minute}
	s.to(t, s.Now().Truncate(time.Minute).Add(time.Minute+50*time.Second))
	after := limiter.Result{OK: true, Remaining: 1, Reset: 10 * time.Second}
	s.expect(t, step{"before the minute ends", of(charge("alice", w, 4)), true, of(after)})
	s.expect(t, step{"too much", of(charge("alice", w, 2)), false, of(limiter.Result{Remaining: 1, Reset: 10 * time.Second, Retry: 10 * time.Second})})
	s.Advance(10 * time.Second)
	after = limiter.Result{OK: true, Reset: time.Minute}
	s.expect(t, step{"as the next begins", of(charge("alice", w, 5)), true, of(after)})
}

func daily(t *testing.T, s Subject) {
	berlin := zone(t, "Europe/Berlin")
	w := limiter.Window{Kind: limiter.Quota, Limit: 5, Calendar: &limiter.Calendar{Every: limiter.Day, Zone: berlin}}
	// The day of 23 hours.
	s.to(t, time.Date(2027, 3, 28, 0, 0, 0, 0, berlin))
	s.expect(t, step{"at midnight", of(charge("alice", w, 5)), true, of(limiter.Result{OK: true, Reset: 23 * time.Hour})})
	s.Advance(23*time.Hour - time.Millisecond)
	refused := limiter.Result{Reset: time.Millisecond, Retry: time.Millisecond}
	s.expect(t, step{"before midnight", of(charge("alice", w, 1)), false, of(refused)})
	s.Advance(time.Millisecond)
	s.expect(t, step{"at the next midnight", of(charge("alice", w, 5)), true, of(limiter.Result{OK: true, Reset: 24 * time.Hour})})
	s.to(t, time.Date(2027, 10, 31, 0, 0, 0, 0, berlin))
	s.expect(t, step{"the day of 25 hours", of(charge("alice", w, 1)), true, of(limiter.Result{OK: true, Remaining: 4, Reset: 25 * time.Hour})})
}

func monthly(t *testing.T, s Subject) {
	last := limiter.Window{Kind: limiter.Quota, Limit: 5, Calendar: &limiter.Calendar{Every: limiter.Month, Anchor: 31}}
	s.to(t, time.Date(2028, 1, 31, 0, 0, 0, 0, time.UTC))
	const day = 24 * time.Hour
	for i, days := range []time.Duration{29, 31, 30, 31} { // 29 February, 31 March, 30 April, 31 May.
		after := limiter.Result{OK: true, Reset: days * day}
		s.expect(t, step{fmt.Sprint("period ", i), of(charge("alice", last, 5)), true, of(after)})
		s.Advance(days*day - time.Millisecond)
		refused := limiter.Result{Reset: time.Millisecond, Retry: time.Millisecond}
		s.expect(t, step{fmt.Sprint("the end of period ", i), of(charge("alice", last, 1)), false, of(refused)})
		s.Advance(time.Millisecond)
	}
}

// zone returns a time zone.
func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func changedNumbers(t *testing.T, s Subject) {
	for name, w := range ten() {
		s.spend(t, charge(name, w, 8))
		raised, lowered := w, w
		raised.Limit, lowered.Limit = 2*w.Limit, w.Limit/2
		raised.Burst, lowered.Burst = 2*w.Burst, w.Burst/2
		if _, r := s.spend(t, charge(name, raised, 0)); r[0].Remaining != 2*10-8 {
			t.Errorf("%s: of a limit raised to 20 %d remain after 8", name, r[0].Remaining)
		}
		if ok, r := s.spend(t, charge(name, lowered, 1)); w.Limit > 1 && (ok || r[0].Remaining != 0) {
			t.Errorf("%s: of a limit lowered to 5 %d remain after 8", name, r[0].Remaining)
		}
	}
}

func changedPace(t *testing.T, s Subject) {
	w := limiter.Window{Kind: limiter.Paced, Limit: 6, Per: time.Minute, Burst: 10}
	s.spend(t, charge("alice", w, 10))
	s.Advance(25 * time.Second) // Two and a half have drained.
	w.Limit = 60
	s.expect(t, step{"raised", of(charge("alice", w, 2)), true, of(limiter.Result{OK: true, Reset: time.Second})})
	s.Advance(5 * time.Second)
	w.Limit = 6
	s.expect(t, step{"lowered again", of(charge("alice", w, 0)), true, of(limiter.Result{OK: true, Remaining: 5, Reset: 10 * time.Second})})
}

func severalKinds(t *testing.T, s Subject) {
	all := ten()
	s.spend(t, charge("quota", all["quota"], 9))
	charges := of(
		charge("sliding", all["sliding"], 2), charge("paced", all["paced"], 2), charge("quota", all["quota"], 2),
		charge("fixed", all["fixed"], 2), charge("tokens", all["tokens"], 2))
	ok, results := s.spend(t, charges...)
	for i, r := range results {
		if r.OK != (i != 2) || i != 2 && r.Remaining != 10 {
			t.Errorf("charge %d, where the quota refuses: %+v", i, r)
		}
	}
	if ok {
		t.Error("admitted though the quota was spent")
	}
	charges[2].Cost = 1
	ok, results = s.spend(t, charges...)
	for i, r := range results {
		if want := int64(8); !r.OK || i != 2 && r.Remaining != want || i == 2 && r.Remaining != 0 {
			t.Errorf("charge %d, where all admit: %+v", i, r)
		}
	}
	if !ok {
		t.Error("refused though all windows admit")
	}
}
