package limiter_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// TestClockSetBack sets the clock back at random: by true time, never more is admitted than without that, of windows that
// measure passing time; of aligned ones never more in a period, as long as the clock is off by less than one.
func TestClockSetBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const per = 1_000
		w := limiter.Window{
			Kind:  rapid.SampledFrom([]limiter.Kind{limiter.Sliding, limiter.Paced, limiter.Tokens, limiter.Fixed}).Draw(t, "kind"),
			Limit: rapid.Int64Range(1, 40).Draw(t, "limit"), Per: per, Burst: rapid.Int64Range(1, 10).Draw(t, "burst"),
		}
		var s limiter.State
		var spent []moment
		byPeriod := map[time.Duration]int64{}
		now, ahead, latest, passed := begin, begin, time.Duration(0), time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			wait := time.Duration(rapid.Int64Range(0, 200).Draw(t, "wait"))
			now += wait
			passed += wait
			if rapid.IntRange(0, 10).Draw(t, "back") == 0 {
				now = max(now-time.Duration(rapid.Int64Range(0, per-1).Draw(t, "by")), ahead-per+1)
			}
			ahead = max(ahead, now)
			cost := rapid.Int64Range(1, 3).Draw(t, "cost")
			r := w.Peek(&s, now, cost)
			if !r.OK {
				c := s.Clone()
				if after := w.Peek(&c, now+r.Retry, cost); cost <= w.Most() && !after.OK {
					t.Fatalf("after a retry of %v: %+v", r.Retry, after)
				}
				continue
			}
			w.Spend(&s, now, cost)
			latest = max(latest, now) // What is set back into a former period goes on in this one.
			spent = append(spent, moment{passed, cost})
			byPeriod[latest/per] += cost
		}
		for i := range spent {
			var sum int64
			for _, m := range spent[i:] {
				length := m.at - spent[i].at
				sum += m.cost
				switch {
				case w.Kind == limiter.Sliding && length < per && sum > w.Limit:
					t.Fatalf("%d of %d were spent within %v", sum, w.Limit, length)
				case (w.Kind == limiter.Paced || w.Kind == limiter.Tokens) && sum > w.Most()+w.Limit*int64(length)/per:
					t.Fatalf("%d were spent within %v", sum, length)
				}
			}
		}
		for period, sum := range byPeriod {
			if w.Kind == limiter.Fixed && sum > w.Limit {
				t.Fatalf("%d of %d were spent in period %d", sum, w.Limit, period)
			}
		}
	})
}

// TestClockWasFarAhead spends at a wrong time, years ahead: once the clock is right, that counts for a window more, and no longer.
func TestClockWasFarAhead(t *testing.T) {
	const day = 24 * time.Hour
	for name, w := range map[string]limiter.Window{
		"sliding": {Limit: 5, Per: day},
		"slots":   {Limit: 50, Per: day},
		"paced":   {Kind: limiter.Paced, Limit: 5, Per: day, Burst: 5},
		"fixed":   {Kind: limiter.Fixed, Limit: 5, Per: day},
		"quota":   {Kind: limiter.Quota, Limit: 5, Calendar: &limiter.Calendar{}},
	} {
		var s limiter.State
		ahead := begin + 4*365*day
		w.Spend(&s, ahead, w.Limit)
		w.Grant(&s, ahead, 1)
		if r := w.Peek(&s, begin, 2); r.OK || r.Remaining != 1 || r.Retry > day {
			t.Errorf("%s: right after: %+v", name, r)
		}
		if r := w.Peek(&s, begin+day, w.Limit); !r.OK || r.Remaining != w.Limit {
			t.Errorf("%s: a day later: %+v", name, r)
		}
	}
}
