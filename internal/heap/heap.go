// Package heap lets the garbage collector of a daemon wait until it is worth while.
//
// In: what the process holds after each collection, by runtime/metrics. Out: the collector's percentage. Go collects
// whenever the heap has doubled; a daemon that holds little and answers many calls would do that dozens of times a second. Here
// the heap may grow by Room at least before it is collected, and what holds more than that is collected as Go does by itself; or
// more rarely, while it is collected again and again and each time the same is found in use.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// Room is by how many bytes the heap may grow, at least, before it is collected.
	Room = 64 << 20
	// least and most bound the percentage: of Go's own, and for what holds next to nothing.
	least, most = 100, 800
	// step is by how much the percentage must differ to be worth setting: all goroutines stand still for that.
	step = 20
	// liveMetric is what the last collection found in use.
	liveMetric = "/gc/heap/live:bytes"
)

// Pace sets the percentage after each collection, until it is stopped.
type Pace struct {
	mu     sync.Mutex
	before int // The percentage that was set before Begin.
	now    int
	rhythm Rhythm
	ended  bool
}

// Begin gives the heap of this process room. It changes nothing where GOGC says how often is to be collected; GOMEMLIMIT holds in
// any case. Stop ends it.
func Begin(lookup func(string) (string, bool)) *Pace {
	if said, ok := lookup("GOGC"); ok && said != "" {
		return &Pace{ended: true}
	}
	p := &Pace{now: Percent(live())}
	p.before = debug.SetGCPercent(p.now)
	watch(p)
	return p
}

// Stop sets the percentage that was there before.
func (p *Pace) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		debug.SetGCPercent(p.before)
	}
}

// Percent returns by how many percent a heap may grow of which so many bytes are in use.
func Percent(live uint64) int {
	return int(min(most, max(least, Room*100/max(live, 1))))
}

// mark is what the next collection finds unused. It holds a pointer, so that it shares its memory with nothing else.
type mark struct{ _ *byte }

// watch calls collected after the next collection: at once, as the heap may be a different one by the collection after that.
func watch(p *Pace) { runtime.AddCleanup(&mark{}, (*Pace).collected, p) }

// collected sets the percentage anew.
func (p *Pace) collected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if percent := p.rhythm.Collected(time.Now(), live()); percent > p.now+step || percent < p.now-step {
		p.now = percent
		debug.SetGCPercent(percent)
	}
	watch(p)
}

// live returns how many bytes the last collection found in use.
func live() uint64 {
	sample := []metrics.Sample{{Name: liveMetric}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return Room // Unknown to this runtime: as Go does by itself.
	}
	return sample[0].Value.Uint64()
}
