package limiter

import "time"

// Fixed and Quota count in periods. A State remembers when it was last spent from (at) and what was spent in that period.

// period returns the period that holds a moment: from start up to end.
func (w *Window) period(at time.Duration) (start, end time.Duration) {
	if w.Kind == Quota {
		return w.Calendar.Period(at)
	}
	start = at - at%w.Per
	if start > at {
		start -= w.Per // Before 1970.
	}
	return start, sum(start, w.Per)
}

// nextPeriod says whether a moment lies in the period that holds now, or in the next.
func (w *Window) nextPeriod(at, now time.Duration) bool {
	_, end := w.period(now)
	if at >= end {
		_, end = w.period(end)
	}
	return at < end
}

// forgetPeriod forgets what was spent in a period that has passed. Where the clock was set back over a border, the later
// period goes on, as what was spent in the former is forgotten; a time further ahead was never right, and is now.
func (w *Window) forgetPeriod(s *State, now time.Duration) {
	if s.spent <= 0 {
		s.spent, s.at = 0, 0
		return
	}
	if start, end := w.period(now); s.at < start {
		s.spent, s.at = 0, 0
	} else if s.at >= end && !w.nextPeriod(s.at, now) {
		s.at = now
	}
}

// untilPeriod returns how long it takes until the next period begins.
func (w *Window) untilPeriod(s *State, now time.Duration) time.Duration {
	at := now
	if s.spent > 0 {
		at = max(at, s.at)
	}
	_, end := w.period(at)
	return end - now
}
