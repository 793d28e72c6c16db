package analytics

import (
	"cmp"
	"maps"
	"slices"
)

// RequestCount is how many requests of an operation were answered with a class of status.
type RequestCount struct {
	API, Version, Operation, Class string
	Requests                       uint64
}

// Latency is the latency histogram of one version of an API: from a request's first byte to its answer's last.
type Latency struct {
	API, Version string
	Buckets      []uint64 // Cumulative, one for each of Buckets().
	Count        uint64
	Sum          float64 // In seconds.
}

// LetThroughCount is how many requests of an API reached their upstream although a call to Gatehouse had failed.
type LetThroughCount struct {
	API                   string
	Authorization, Limits uint64
}

// Stats are figures about the service itself. How many entries were lost before they came here is unknowable.
type Stats struct {
	Received uint64 // Entries.
	Ignored  uint64 // Entries that were not counted: other logs, TCP, intermediate ones, empty ones.
	Unrouted uint64 // Entries counted without a route's identity.
	Failed   uint64 // Streams ended by a fault of ours.
	Streams  int64  // Open streams.
	Series   int64  // Rollups held.
	Folded   uint64 // Rollups made coarser for lack of room.
}

// Requests returns the requests counted so far, for at most 2,000 operations and what they share, ordered by name.
func (s *Service) Requests() []RequestCount {
	operations := s.counters.snapshot()
	counts := make([]RequestCount, 0, len(operations)*2)
	for _, o := range ordered(operations) {
		for class := range Class(classes) {
			if n := operations[o].requests[class].Load(); n > 0 {
				counts = append(counts, RequestCount{o.api, o.version, o.id, class.String(), n})
			}
		}
	}
	return counts
}

// Latencies returns the latency histograms of at most 1,000 versions and what they share, ordered by name. Requests whose
// latency is unknown are in none.
func (s *Service) Latencies() []Latency {
	s.counters.mu.Lock()
	histograms := maps.Clone(s.counters.latencies)
	s.counters.mu.Unlock()
	latencies := make([]Latency, 0, len(histograms))
	for _, o := range ordered(histograms) {
		latencies = append(latencies, histograms[o].latency(o))
	}
	return latencies
}

// latency adds the buckets up. The count is their sum, so that a histogram read while it grows agrees with itself.
func (h *histogram) latency(o operation) Latency {
	l := Latency{API: o.api, Version: o.version, Buckets: make([]uint64, len(h.buckets)-1)}
	for i := range h.buckets {
		l.Count += h.buckets[i].Load()
		if i < len(l.Buckets) {
			l.Buckets[i] = l.Count
		}
	}
	l.Sum = float64(h.micros.Load()) / 1e6
	return l
}

// LetThrough returns the requests let through by failures, by API, ordered by name; APIs without any are left out.
func (s *Service) LetThrough() []LetThroughCount {
	operations := s.counters.snapshot()
	var counts []LetThroughCount
	for _, o := range ordered(operations) {
		c := operations[o]
		authorization, limits := c.authorization.Load(), c.limits.Load()
		if authorization+limits == 0 {
			continue
		}
		if len(counts) == 0 || counts[len(counts)-1].API != o.api {
			counts = append(counts, LetThroughCount{API: o.api})
		}
		counts[len(counts)-1].Authorization += authorization
		counts[len(counts)-1].Limits += limits
	}
	return counts
}

// Stats returns the figures about the service itself.
func (s *Service) Stats() Stats {
	return Stats{
		Received: s.received.Load(), Ignored: s.ignored.Load(), Unrouted: s.unrouted.Load(), Failed: s.failed.Load(),
		Streams: s.open.Load(), Series: s.rollups.size.Load(), Folded: s.rollups.folded.Load(),
	}
}

func (c *counters) snapshot() map[operation]*counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.operations)
}

// ordered returns the keys of a map by name.
func ordered[T any](m map[operation]T) []operation {
	return slices.SortedFunc(maps.Keys(m), func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.api, b.api), cmp.Compare(a.version, b.version), cmp.Compare(a.id, b.id))
	})
}
