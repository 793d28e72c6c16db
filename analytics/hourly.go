package analytics

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Hourly is what was counted since the start of this process, in one hour, of one operation and class of status.
type Hourly struct {
	Hour      time.Time // When it began, in UTC. A record counts in the hour in which it arrived.
	API       string
	Version   string
	Operation string
	Class     string // See Class.String.
	Sums
	Timed   uint64        // Of the requests, those of which it is known how long they took.
	Latency time.Duration // The sum of that: Record.LastByte.
}

// maxHourly is how many rows an hour has at most; what is beyond counts as Other. All that come from known names fit.
const maxHourly = 20_000

// hourKey is what a row of an hour is about.
type hourKey struct {
	hour      int64 // In hours since 1970.
	operation operation
	class     Class
}

// hours are the rows of the last hours, spread over shards so that streams seldom wait for one another.
type hours struct {
	seed   maphash.Seed
	size   atomic.Int64
	shards [shards]struct {
		mu   sync.Mutex
		rows map[hourKey]*Hourly
	}
}

func newHours() *hours {
	h := &hours{seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].rows = map[hourKey]*Hourly{}
	}
	return h
}

// add counts one request.
func (h *hours) add(o operation, class Class, sums Sums, latency time.Duration, now time.Time) {
	key := hourKey{now.Unix() / int64(time.Hour/time.Second), o, class}
	if !h.count(key, sums, latency, h.size.Load() < maxHourly) {
		key.operation = operation{Other, Other, Other}
		h.count(key, sums, latency, true)
	}
}

// count counts a request under a key. It reports false where there is no such row and none may be made.
func (h *hours) count(key hourKey, sums Sums, latency time.Duration, make bool) bool {
	s := &h.shards[maphash.Comparable(h.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.rows[key]
	if row == nil {
		if !make {
			return false
		}
		row = &Hourly{
			Hour: time.Unix(key.hour*int64(time.Hour/time.Second), 0).UTC(), API: key.operation.api, Version: key.operation.version,
			Operation: key.operation.id, Class: key.class.String(),
		}
		s.rows[key] = row
		h.size.Add(1)
	}
	row.add(sums)
	if latency > 0 {
		row.Timed++
		row.Latency += min(latency, maxLatency)
	}
	return true
}

// Hourly returns what was counted in hours that were not let go, by hour, API, version, operation and class: totals, which only
// grow.
func (s *Service) Hourly() []Hourly {
	var all []Hourly
	for i := range s.hours.shards {
		one := &s.hours.shards[i]
		one.mu.Lock()
		for _, row := range one.rows {
			all = append(all, *row)
		}
		one.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Hourly) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.API, b.API), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Class, b.Class))
	})
	return all
}

// LetGo forgets the hours that began before a time. Nothing may be counted in them any more, so they must be over for a while.
func (s *Service) LetGo(before time.Time) {
	for i := range s.hours.shards {
		one := &s.hours.shards[i]
		one.mu.Lock()
		for key, row := range one.rows {
			if row.Hour.Before(before) {
				delete(one.rows, key)
				s.hours.size.Add(-1)
			}
		}
		one.mu.Unlock()
	}
}
