package analytics

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what /metrics shows.
const (
	maxOperations = 2000
	maxVersions   = 1000
)

// counters are what /metrics shows. They are kept from the first request to the end of the process and only grow.
type counters struct {
	mu         sync.Mutex
	named      int // Operations with a counter of their own.
	operations map[operation]*counter
	latencies  map[operation]*histogram // By API and version; id is empty.
}

// counter holds what is counted of one operation.
type counter struct {
	requests      [classes]atomic.Uint64
	authorization atomic.Uint64 // Let through although the authorization call failed.
	limits        atomic.Uint64 // Let through although the rate limit call failed.
	latency       *histogram    // Shared by all operations of an API and version.
}

func newCounters() *counters {
	return &counters{operations: map[operation]*counter{}, latencies: map[operation]*histogram{}}
}

// of returns the counter of an operation, or the one it has to share.
func (c *counters) of(o operation) *counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.operations[o]; ok {
		return found
	}
	special := o.id == Other || o.id == None
	if !special && c.named >= maxOperations {
		o.id, special = Other, true
	}
	version := operation{api: o.api, version: o.version}
	if _, ok := c.latencies[version]; !ok && o.api != Other && o.api != None && len(c.latencies) >= maxVersions {
		o, special = operation{Other, Other, Other}, true
		version = operation{api: Other, version: Other}
	}
	if found, ok := c.operations[o]; ok {
		return found
	}
	if !special {
		c.named++
	}
	if c.latencies[version] == nil {
		c.latencies[version] = &histogram{}
	}
	made := &counter{latency: c.latencies[version]}
	c.operations[o] = made
	return made
}

// add counts a request.
func (c *counter) add(r *Record) {
	c.requests[r.Class].Add(1)
	if r.LetThrough.Authorization {
		c.authorization.Add(1)
	}
	if r.LetThrough.Limits {
		c.limits.Add(1)
	}
	if r.LastByte > 0 {
		c.latency.add(r.LastByte)
	}
}

// Buckets returns the upper bounds of the latency histogram's buckets, in seconds; the last bucket, without a bound, is
// left out.
func Buckets() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
}

// histogram counts latencies by bucket.
type histogram struct {
	buckets [14]atomic.Uint64 // One for each of Buckets, and one for what is above them.
	micros  atomic.Uint64     // Sum, in microseconds.
}

func (h *histogram) add(latency time.Duration) {
	h.buckets[bucket(latency)].Add(1)
	h.micros.Add(uint64(latency.Microseconds())) //nolint:gosec // not negative
}

// bucket returns the index of the first bucket whose bound is not below the latency.
func bucket(latency time.Duration) int {
	bounds := [...]time.Duration{
		1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
		50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
		2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
	}
	for i, bound := range bounds {
		if latency <= bound {
			return i
		}
	}
	return len(bounds)
}
