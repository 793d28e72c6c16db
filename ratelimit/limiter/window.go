package limiter

import (
	"math"
	"slices"
	"time"
)

const (
	// Entries is how many moments of spending a State remembers at most. An entry is 16 bytes.
	Entries = 32
	// Slots is into how many slots Per is divided for a Limit above Entries. An interval of length Per touches at most
	// Slots+1 of them, so that one entry for each always fits.
	Slots = Entries - 1
)

// Window admits Limit in the way of its Kind. Times count from the Unix epoch.
type Window struct {
	Kind  Kind
	Limit int64         // At least 0; 0 refuses everything that costs.
	Per   time.Duration // Above 0, but for a Calendar.
	Burst int64         // Of Paced and Tokens.
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
	Tokens              // A bucket of Burst tokens, into which Limit flow per Per.
	Quota               // Limit in each period of a Calendar.
)

// Calendar tells the periods of a Quota apart, in its time zone, daylight saving included.
type Calendar struct {
	Every  Period
	Anchor int            // On which day a period begins: 1 to 31 of a month, and its last where it has fewer; 1 (Monday) to 7 of a week.
	Zone   *time.Location // nil: UTC.
}

// Period is a period of the calendar.
type Period uint8

// The periods.
const (
	Day Period = iota
	Week
	Month
)

// Result says whether a cost may be spent, and what a caller should know about it.
type Result struct {
	OK        bool
	Remaining int64         // What could be spent now, at least 0.
	Reset     time.Duration // Until Remaining grows; 0 where nothing is spent.
	// Retry is how long to wait until the same cost is admitted if nobody spends meanwhile; 0 where OK. A cost above the
	// Limit is never admitted: Retry is then Per.
	Retry time.Duration
}

// State is what was spent from one bucket. The zero value is a bucket from which nothing was spent. It is not safe for
// concurrent use.
type State struct {
	log   []entry // Oldest first; stamps ascend.
	spent int64   // Sum of the costs in log.
}

// entry is what was spent at a moment, or within one slot up to that moment.
type entry struct {
	at   time.Duration
	cost int64
}

// Slack is how much longer than Per something spent may count: the bound of refusing early. It is 0, exact, for a Limit of
// at most Entries.
func (w Window) Slack() time.Duration {
	if w.Limit <= Entries {
		return 0
	}
	return (w.Per + Slots - 1) / Slots
}

// Peek says what spending cost would do, and spends nothing. Costs below 0 count as 0, which only more than Limit already
// spent (a limit that was lowered) refuses. The time now counts from any moment that stays the same for one State; a time
// before the latest spending is taken to be that. Peek forgets what no longer counts, hence the pointer.
func (w Window) Peek(s *State, now time.Duration, cost int64) Result {
	cost = max(cost, 0)
	now = w.forget(s, now)
	r := Result{Remaining: max(w.Limit-s.spent, 0)}
	r.OK = cost <= w.Limit-s.spent // Not spent+cost, which could overflow.
	if s.spent > 0 {
		r.Reset = w.until(s, now, r.Remaining+1)
	}
	if !r.OK {
		r.Retry = w.until(s, now, cost)
	}
	return r
}

// Spend records that cost is spent now, without asking whether it may be: callers Peek first, so that a request that needs
// several buckets spends from all or none.
func (w Window) Spend(s *State, now time.Duration, cost int64) {
	if cost <= 0 {
		return
	}
	now = w.forget(s, now)
	cost = min(cost, math.MaxInt64-s.spent)
	s.spent += cost
	slot := w.Slack()
	if n := len(s.log); n > 0 {
		if sameSlot(s.log[n-1].at, now, slot) {
			s.log[n-1] = entry{at: now, cost: s.log[n-1].cost + cost}
			return
		}
		if n >= Entries {
			s.merge(slot)
		}
		// Only spending beyond an exact Limit finds no room. It joins the latest entry: early, never late.
		if n = len(s.log); n >= Entries {
			s.log[n-1] = entry{at: now, cost: s.log[n-1].cost + cost}
			return
		}
	}
	s.log = append(s.log, entry{at: now, cost: cost})
}

// Clone returns a copy that shares nothing with s.
func (s *State) Clone() State { return State{log: slices.Clone(s.log), spent: s.spent} }

// Empty returns the time from which on the State equals the zero value: nothing is lost by dropping it then.
func (w Window) Empty(s *State) time.Duration {
	if len(s.log) == 0 {
		return math.MinInt64
	}
	return s.log[len(s.log)-1].at + w.Per
}

// Spent returns how much counts now.
func (w Window) Spent(s *State, now time.Duration) int64 {
	w.forget(s, now)
	return s.spent
}

// forget drops what no longer counts and returns the time to go on with, which never runs backwards.
func (w Window) forget(s *State, now time.Duration) time.Duration {
	n := len(s.log)
	if n == 0 {
		return now
	}
	now = max(now, s.log[n-1].at)
	gone := 0
	for gone < n && now-s.log[gone].at >= w.Per {
		s.spent -= s.log[gone].cost
		gone++
	}
	if gone > 0 {
		s.log = s.log[:copy(s.log, s.log[gone:])]
	}
	return now
}

// until returns how long it takes until cost would be admitted.
func (w Window) until(s *State, now time.Duration, cost int64) time.Duration {
	if cost > w.Limit {
		return w.Per
	}
	excess := s.spent - (w.Limit - cost)
	for _, e := range s.log {
		if excess -= e.cost; excess <= 0 {
			return e.at + w.Per - now
		}
	}
	return 0
}

// merge joins neighbours of the same slot. That is only needed where a Limit was raised above Entries.
func (s *State) merge(slot time.Duration) {
	kept := s.log[:1]
	for _, e := range s.log[1:] {
		last := &kept[len(kept)-1]
		if sameSlot(last.at, e.at, slot) {
			*last = entry{at: e.at, cost: last.cost + e.cost}
			continue
		}
		kept = append(kept, e)
	}
	s.log = kept
}

// sameSlot says whether two moments may share an entry; with slots of length 0 only the same moment may.
func sameSlot(a, b, slot time.Duration) bool {
	return a == b || slot > 0 && a/slot == b/slot
}
