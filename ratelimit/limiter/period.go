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

// mendPeriod mends what a wrong clock did. Where the clock was set back over a border, the period that was spent from last
// goes on; a time further ahead than the next period was never right, and is now. What was spent in a period that has
// passed stays until something is spent in another: the clock may be set back into it.
func (w *Window) mendPeriod(s *State, now time.Duration) {
	if s.at > now && s.spent > 0 && !w.nextPeriod(s.at, now) {
		s.at = now
	}
}

// countedPeriod returns what was spent in the period that holds now.
func (w *Window) countedPeriod(s *State, now time.Duration) int64 {
	if s.spent <= 0 || s.at >= now {
		return s.spent
	}
	if start, _ := w.period(now); s.at < start {
		return 0
	}
	return s.spent
}

// recordPeriod remembers a cost.
func (w *Window) recordPeriod(s *State, now time.Duration, cost int64) {
	s.spent = w.countedPeriod(s, now)
	s.spent += min(cost, mostInt-s.spent)
	s.at = max(s.at, now)
}

// untilPeriod returns how long it takes until the next period begins.
func (w *Window) untilPeriod(s *State, now time.Duration) time.Duration {
	at := now
	if s.spent > 0 { // Where the clock was set back over a border.
		at = max(at, s.at)
	}
	_, end := w.period(at)
	return end - now
}
