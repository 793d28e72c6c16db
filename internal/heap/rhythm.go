package heap

import "time"

const (
	// Busy is by how many bytes a heap may grow that is collected again and again.
	Busy = 256 << 20
	// busiest bounds the percentage of such a heap.
	busiest = 300
	// often is the time within which a collection follows another often, and rarely the time after which it does no more.
	often, rarely = 3 * time.Second, 15 * time.Second
	// steady is how many collections must follow each other often. Whoever loads or compiles much collects often too, but not for
	// long, and does not find the same each time.
	steady = 2
)

// Rhythm tells how often a heap is collected. A daemon that holds 100 MiB of compiled policies and answers thousands of Checks looks at
// all of them each second, which takes a fifth of its time: what it holds is what it will hold after the next collection too.
type Rhythm struct {
	last  time.Time
	live  uint64
	times int // How often in a row; at most steady.
}

// Collected notes a collection and what it found in use, and returns by how many percent the heap may grow until the next.
func (r *Rhythm) Collected(now time.Time, live uint64) int {
	after := now.Sub(r.last)
	same := live < r.live+r.live/4 && r.live < live+live/4
	switch {
	case !same || after > rarely:
		r.times = 0
	case after < often:
		r.times = min(r.times+1, steady)
	}
	r.last, r.live = now, live
	percent := Percent(live)
	if r.times == steady {
		percent = max(percent, min(busiest, int(Busy*100/max(live, 1)))) //nolint:gosec // At most Busy times 100.
	}
	return percent
}
