package cache

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// DeliveryBuckets are the upper bounds, in seconds, by which Delivery counts.
func DeliveryBuckets() []float64 { return []float64{0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60} }

// Delivery tells how long the nodes of one fleet took from the moment at which something new was for them until they had
// acknowledged all of it.
type Delivery struct {
	Fleet   string
	Count   uint64
	Sum     float64  // seconds
	Buckets []uint64 // how many took at most as long as each of DeliveryBuckets says
	// Last is how long the slowest node took so far of those that got what was last given out.
	Last time.Duration
}

// deliveries are the same, as they are counted.
type deliveries struct {
	mu     sync.Mutex
	fleets map[string]*delivered
}

// delivered is one fleet's.
type delivered struct {
	Delivery
	version string // the snapshot that was acknowledged last
}

// note counts one node that acknowledged a snapshot.
func (d *deliveries) note(fleet, version string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fleets == nil {
		d.fleets = map[string]*delivered{}
	}
	bounds := DeliveryBuckets()
	f := d.fleets[fleet]
	if f == nil {
		f = &delivered{Delivery: Delivery{Fleet: fleet, Buckets: make([]uint64, len(bounds))}}
		d.fleets[fleet] = f
	}
	f.Count++
	f.Sum += took.Seconds()
	for i, bound := range bounds {
		if took.Seconds() <= bound {
			f.Buckets[i]++
		}
	}
	if f.version != version {
		f.version, f.Last = version, 0
	}
	f.Last = max(f.Last, took)
}

// Deliveries returns how long deliveries took since the Server was made, by fleet. A node that came and had all already is
// not counted.
func (s *Server) Deliveries() []Delivery {
	s.deliveries.mu.Lock()
	defer s.deliveries.mu.Unlock()
	all := make([]Delivery, 0, len(s.deliveries.fleets))
	for _, f := range s.deliveries.fleets {
		out := f.Delivery
		out.Buckets = slices.Clone(f.Buckets)
		all = append(all, out)
	}
	slices.SortFunc(all, func(a, b Delivery) int { return cmp.Compare(a.Fleet, b.Fleet) })
	return all
}
