package limiter

import "time"

// Window admits Limit in the way of its Kind. Times count from the Unix epoch.
type Window struct {
	Kind  Kind
	Limit int64         // At least 0; 0 refuses everything that costs. Exact up to 2^48.
	Per   time.Duration // Above 0, but for a Calendar. Exact up to 366 days.
	// Burst is how much Paced and Tokens admit at once; below 1 it is 1 for Paced, which keeps requests apart, and Limit for Tokens.
	Burst int64
	// Calendar says when the periods of a Quota begin.
	Calendar *Calendar
}

// Kind is how a Window counts.
type Kind uint8

// The kinds.
const (
	Sliding Kind = iota // In any half-open interval of length Per at most Limit.
	Paced               // GCRA: at most Burst + Limit/Per x time in any interval.
	Fixed               // Limit in each interval of length Per that begins at a multiple of it.
	Tokens              // A bucket of Burst tokens, into which Limit flow per Per. It is the arithmetic of Paced, told by what is left.
	Quota               // Limit in each period of a Calendar.
)

// Aligned says whether windows of a kind begin when the clock on the wall says so. The others only measure how much time
// passes, and are best served by a clock that nobody sets.
func (k Kind) Aligned() bool { return k == Fixed || k == Quota }

// Result says whether a cost may be spent, and what a caller should know about it.
type Result struct {
	OK        bool
	Remaining int64 // What could be spent now, at least 0.
	// Reset is how long it takes until Remaining grows, grants left aside; 0 where nothing is spent.
	Reset time.Duration
	// Retry is how long to wait until the same cost is admitted if nobody spends meanwhile; 0 where OK. A cost above what is
	// ever admitted at once has to wait for ever: Retry is then Per, of a Quota the time until the period ends.
	Retry time.Duration
}

// Most returns how much can be spent at once where nothing is spent.
func (w Window) Most() int64 {
	switch {
	case w.Limit <= 0:
		return 0
	case w.Kind == Paced:
		return max(w.Burst, 1)
	case w.Kind == Tokens && w.Burst > 0:
		return w.Burst
	}
	return w.Limit
}

// Peek says what spending cost would do, and spends nothing. Costs below 0 count as 0, which only more than Limit already
// spent (a limit that was lowered) refuses. Where the clock was set back, what was spent since is taken to be spent now. Peek
// forgets what no longer counts, hence the pointer.
func (w Window) Peek(s *State, now time.Duration, cost int64) Result {
	cost = max(cost, 0)
	if w.Kind == Sliding && s.kind == Sliding && s.grant == nil { // The rest of this in fewer steps: most windows are so.
		return peekSliding(s, now, cost, w.Limit, w.Per)
	}
	w.forget(s, now)
	spent, most := w.counted(s, now), w.Most()
	var r Result
	free := most - spent
	r.Remaining = max(free, 0)
	if spent > 0 {
		r.Reset = w.until(s, now, r.Remaining+1)
	}
	if s.grant != nil {
		r.Remaining += min(s.grant.left, mostInt-r.Remaining)
		free = r.Remaining
	}
	if r.OK = cost <= free; !r.OK { // Not spent+cost, which could overflow.
		r.Retry = w.retry(s, now, cost)
	}
	return r
}

// retry returns how long it takes until cost is admitted.
func (w *Window) retry(s *State, now time.Duration, cost int64) time.Duration {
	if s.grant != nil {
		// While the grant lasts, the window itself has to admit less.
		if wait := w.until(s, now, max(cost-s.grant.left, 0)); now+wait < w.passed(s.grant.at) && cost-s.grant.left <= w.Most() {
			return wait
		}
	}
	return w.until(s, now, cost)
}

// Spend records that cost is spent now, without asking whether it may be: callers Peek first, so that a request that needs
// several buckets spends from all or none. What the window does not admit is taken from a grant, as far as there is one.
func (w Window) Spend(s *State, now time.Duration, cost int64) {
	if cost <= 0 {
		return
	}
	if w.Kind == Sliding && s.kind == Sliding && s.grant == nil {
		s.forgetSliding(now, w.Per)
		s.recordSliding(now, min(cost, mostInt-s.spent), slack(w.Limit, w.Per))
		return
	}
	w.forget(s, now)
	s.kind = w.Kind
	if g := s.grant; g != nil {
		given := min(g.left, max(cost-max(w.Most()-w.counted(s, now), 0), 0))
		cost -= given
		if g.left -= given; g.left == 0 {
			s.grant = nil
		}
	}
	if cost > 0 {
		w.record(s, now, cost)
	}
}

// Refund gives back what was spent, the oldest first, so that what is left counts for longest: it may refuse early, and never
// admits late. It returns how much that was: never more than is spent. A grant does not grow by it.
func (w Window) Refund(s *State, now time.Duration, cost int64) int64 {
	w.forget(s, now)
	back := min(cost, w.counted(s, now))
	if back <= 0 {
		return 0
	}
	if w.Kind == Sliding {
		s.takeOldest(back)
	} else {
		s.spent -= back
		w.forget(s, now) // Of what flows, all may be gone now.
	}
	return back
}

// Grant admits more than the window does, by cost, until the window has passed: Per after the latest grant, or the end of the
// period in which it was given. Grants add up.
func (w Window) Grant(s *State, now time.Duration, cost int64) {
	if cost <= 0 {
		return
	}
	w.forget(s, now)
	s.kind = w.Kind
	g := grant{at: now, left: cost}
	if s.grant != nil {
		g.left += min(s.grant.left, mostInt-cost)
	}
	s.grant = &g
}

// Spent returns how much of the window counts as spent now. What a grant paid for does not.
func (w Window) Spent(s *State, now time.Duration) int64 {
	w.forget(s, now)
	return w.counted(s, now)
}

// Granted returns what is left of grants.
func (w Window) Granted(s *State, now time.Duration) int64 {
	if w.forget(s, now); s.grant == nil {
		return 0
	}
	return s.grant.left
}

// Empty returns the time from which on the State equals the zero value: nothing is lost by dropping it then.
func (w Window) Empty(s *State) time.Duration {
	empty := never
	switch {
	case s.kind != w.Kind:
		return empty
	case w.Kind == Sliding:
		if n := len(s.log); n > 0 {
			empty = s.log[n-1].at + w.Per
		}
	case s.spent > 0 && w.Kind.Aligned():
		empty = w.passed(s.at)
	case s.spent > 0:
		empty = sum(s.at, w.drainTime(s.spent))
	}
	if s.grant != nil {
		empty = max(empty, w.passed(s.grant.at))
	}
	return empty
}

// passed returns when a window that holds a moment has passed.
func (w *Window) passed(at time.Duration) time.Duration {
	if w.Kind.Aligned() {
		_, end := w.period(at)
		return end
	}
	return sum(at, w.Per)
}

// forget drops what no longer counts, and all that another kind of window has counted.
func (w *Window) forget(s *State, now time.Duration) {
	if s.kind != w.Kind {
		*s = State{}
		return
	}
	if s.grant != nil {
		w.forgetGrant(s, now)
	}
	switch w.Kind {
	case Sliding:
		s.forgetSliding(now, w.Per)
	case Fixed, Quota:
		w.mendPeriod(s, now)
	default:
		w.drain(s, now)
	}
}

func (w *Window) forgetGrant(s *State, now time.Duration) {
	g := s.grant
	if g.at > now && (!w.Kind.Aligned() || !w.nextPeriod(g.at, now)) {
		g.at = now
	}
	if now >= w.passed(g.at) {
		s.grant = nil
	}
}

// counted returns what is spent, after forget.
func (w *Window) counted(s *State, now time.Duration) int64 {
	switch w.Kind {
	case Paced, Tokens:
		return s.counted(now)
	case Fixed, Quota:
		return w.countedPeriod(s, now)
	}
	return s.spent
}

// until returns how long it takes until the window by itself admits cost.
func (w *Window) until(s *State, now time.Duration, cost int64) time.Duration {
	switch w.Kind {
	case Sliding:
		return s.untilSliding(now, cost, w.Limit, w.Per)
	case Fixed, Quota:
		return w.untilPeriod(s, now)
	}
	return w.untilDrained(s, now, cost)
}

func (w *Window) record(s *State, now time.Duration, cost int64) {
	switch w.Kind {
	case Sliding:
		s.recordSliding(now, min(cost, mostInt-s.spent), slack(w.Limit, w.Per))
	case Fixed, Quota:
		w.recordPeriod(s, now, cost)
	default:
		w.recordDraining(s, now, cost)
	}
}
