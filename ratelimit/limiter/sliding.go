package limiter

import "time"

const (
	// Entries is how many moments of spending a State remembers at most. An entry is 16 bytes.
	Entries = 32
	// Slots is into how many slots Per is divided for a Limit above Entries. An interval of length Per touches at most
	// Slots+1 of them, so that one entry for each always fits.
	Slots = Entries - 1
)

// Slack is how much longer than Per something spent may count in a Sliding window: the bound of refusing early. It is 0, exact,
// for a Limit of at most Entries, and for the other kinds.
func (w Window) Slack() time.Duration {
	if w.Kind != Sliding {
		return 0
	}
	return slack(w.Limit, w.Per)
}

func slack(limit int64, per time.Duration) time.Duration {
	if limit <= Entries {
		return 0
	}
	return (per + Slots - 1) / Slots
}

// peekSliding is Peek where there is no grant.
func peekSliding(s *State, now time.Duration, cost, limit int64, per time.Duration) Result {
	s.forgetSliding(now, per)
	r := Result{Remaining: max(limit-s.spent, 0), OK: cost <= limit-s.spent}
	if s.spent > 0 {
		r.Reset = s.untilSliding(now, r.Remaining+1, limit, per)
	}
	if !r.OK {
		r.Retry = s.untilSliding(now, cost, limit, per)
	}
	return r
}

// forgetSliding drops what is older than per. Where the clock was set back, what was spent last was spent now, and all before
// it as much before.
func (s *State) forgetSliding(now, per time.Duration) {
	n := len(s.log)
	if n == 0 {
		return
	}
	if ahead := s.log[n-1].at - now; ahead > 0 {
		for i := range s.log {
			s.log[i].at -= ahead
		}
	}
	gone := 0
	for gone < n && now-s.log[gone].at >= per {
		s.spent -= s.log[gone].cost
		gone++
	}
	if gone > 0 {
		s.log = s.log[:copy(s.log, s.log[gone:])]
	}
}

// untilSliding returns how long it takes until cost would be admitted.
func (s *State) untilSliding(now time.Duration, cost, limit int64, per time.Duration) time.Duration {
	if cost > limit {
		return per
	}
	excess := s.spent - (limit - cost)
	if excess <= 0 {
		return 0
	}
	for i := range s.log {
		if excess -= s.log[i].cost; excess <= 0 {
			return s.log[i].at + per - now
		}
	}
	return 0
}

// recordSliding remembers a cost, in an entry for each slot.
func (s *State) recordSliding(now time.Duration, cost int64, slot time.Duration) {
	s.spent += cost
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

// takeOldest gives back what was spent, at most all of it.
func (s *State) takeOldest(back int64) {
	s.spent -= back
	gone := 0
	for gone < len(s.log) && s.log[gone].cost <= back {
		back -= s.log[gone].cost
		gone++
	}
	s.log = s.log[:copy(s.log, s.log[gone:])]
	if len(s.log) > 0 {
		s.log[0].cost -= back
	}
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
