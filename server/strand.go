package server

import "time"

// A replica that has lost the store serves what it knows, and nothing that changed since: Envoys that stay with it get nothing new
// while those of other replicas do. So after strandedFor it lets its Envoys look for another replica, and again after twice as long
// each time, up to strandedMost: some come back to it by chance, and all do where the store is away for everybody, which they do
// not notice.
const (
	strandedFor  = 30 * time.Second
	strandedMost = 10 * time.Minute
)

// strand is since when a replica has lost the store, by its own clock; the zero value: it has not.
type strand struct {
	since, next time.Time
	wait        time.Duration
}

// release reports whether Envoys are to look for another replica now.
func (s *strand) release(now time.Time, away bool) bool {
	if !away {
		*s = strand{}
		return false
	}
	if s.since.IsZero() {
		*s = strand{since: now, next: now.Add(strandedFor), wait: strandedFor}
	}
	if now.Before(s.next) {
		return false
	}
	s.wait = min(2*s.wait, strandedMost)
	s.next = now.Add(s.wait)
	return true
}
