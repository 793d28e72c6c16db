package limiter

import (
	"math"
	"math/bits"
	"time"
)

// What Paced and Tokens count drains at Limit per Per. A State remembers when its bucket was last empty (at) and what was
// spent since then, both whole numbers, so that nothing is ever rounded in it: what is left at a time is
//
//	spent - floor((time - at) x Limit / Per)
//
// As soon as a whole Per has passed, at moves on by Per and spent falls by Limit, which changes nothing and keeps both small.
// Where Limit or Per have changed, what is left by the former ones begins to drain by the new ones, from then on: rounded up, and
// never as if the new ones had held before.

// drain forgets what has drained in whole Pers, or all.
func (w *Window) drain(s *State, now time.Duration) {
	if s.spent <= 0 {
		s.spent, s.at = 0, 0
		return
	}
	s.at = min(s.at, now) // Where the clock was set back.
	if s.limit != w.Limit || s.per != w.Per {
		if s.per > 0 {
			s.spent, s.at = s.counted(now), now
		}
		s.limit, s.per = w.Limit, w.Per
	}
	passed := now - s.at
	if passed >= w.drainTime(s.spent) {
		s.spent, s.at = 0, 0
		return
	}
	if passed >= w.Per && w.Limit > 0 {
		pers := int64(passed / w.Per)
		s.at += time.Duration(pers) * w.Per
		s.spent -= pers * w.Limit // Less than what has drained, which is less than spent.
	}
}

// recordDraining records what is spent now, after drain.
func (w *Window) recordDraining(s *State, now time.Duration, cost int64) {
	if s.spent == 0 {
		s.at, s.limit, s.per = now, w.Limit, w.Per
	}
	s.spent += min(cost, mostInt-s.spent)
}

// counted returns what has not drained by the numbers by which it was spent.
func (s *State) counted(now time.Duration) int64 {
	passed := now - s.at
	if passed <= 0 || s.limit <= 0 || s.per <= 0 {
		return s.spent
	}
	return s.spent - min(mulDiv(int64(passed), s.limit, int64(s.per), 0), s.spent)
}

// drainTime returns how long it takes until so much has drained. Where nothing drains, as nothing is admitted, it is Per.
func (w *Window) drainTime(cost int64) time.Duration {
	if w.Limit <= 0 {
		return w.Per
	}
	return time.Duration(mulDiv(cost, int64(w.Per), w.Limit, w.Limit-1))
}

// untilDrained returns how long it takes until cost would be admitted.
func (w *Window) untilDrained(s *State, now time.Duration, cost int64) time.Duration {
	most := w.Most()
	if cost > most {
		return w.Per
	}
	excess := s.spent - (most - cost) // Neither is below 0.
	if excess <= 0 {
		return 0
	}
	return max(sum(s.at, w.drainTime(excess))-now, 0)
}

// mulDiv returns (a x b + add) / c, rounded down, at most math.MaxInt64. None is below 0, c is above 0.
func mulDiv(a, b, c, add int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b)) //nolint:gosec // None is below 0.
	low, carry := bits.Add64(low, uint64(add), 0) //nolint:gosec // As above.
	high += carry
	if high >= uint64(c) { //nolint:gosec // As above.
		return math.MaxInt64
	}
	quotient, _ := bits.Div64(high, low, uint64(c)) //nolint:gosec // As above.
	return int64(min(quotient, math.MaxInt64))      //nolint:gosec // Cannot overflow after min.
}
