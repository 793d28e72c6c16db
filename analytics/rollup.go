package analytics

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// Bounds of a latency sketch. With values from 10 us to 24 h it has at most 1,150 bins.
const (
	accuracy   = 0.01
	minLatency = 10 * time.Microsecond
	maxLatency = 24 * time.Hour
)

// shards is how many locks the rollups have between them.
const shards = 16

// Key says what a rollup or a total is about. In a total, dimensions that were added up are empty.
type Key struct {
	Fleet     string
	Node      string
	API       string
	Version   string
	Operation string
	Rules     string
	Class     string // See Class.String.
}

// Sums are what is counted of requests.
type Sums struct {
	Requests uint64
	Local    uint64 // Answered by Envoy or Gatehouse, not by an upstream.
	BytesIn  uint64 // Bodies of requests.
	BytesOut uint64 // Bodies of answers.
}

func (s *Sums) add(o Sums) {
	s.Requests += o.Requests
	s.Local += o.Local
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
}

// series is one rollup.
type series struct {
	sums    Sums
	latency *ddsketch.DDSketch // Of Record.LastByte, in seconds; nil while no latency is known.
	used    int64              // When it last grew, in nanoseconds since 1970.
	counter *counter           // The counters for /metrics that belong to it; nil where it came from folding.
}

// rollups are all series, spread over shards by their key so that streams seldom wait for one another.
type rollups struct {
	limit   int64
	mapping mapping.IndexMapping
	seed    maphash.Seed
	shards  [shards]shard
	size    atomic.Int64
	folded  atomic.Uint64
	folding sync.RWMutex // Held for reading by those who look at all shards, one after the other.
}

type shard struct {
	mu     sync.Mutex
	series map[Key]*series
}

func newRollups(limit int) (*rollups, error) {
	m, err := mapping.NewDefaultMapping(accuracy)
	if err != nil {
		return nil, fmt.Errorf("make the bins of latency sketches: %w", err)
	}
	r := &rollups{limit: int64(limit), mapping: m, seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].series = map[Key]*series{}
	}
	return r, nil
}

func (r *rollups) shard(k Key) *shard { return &r.shards[maphash.Comparable(r.seed, k)%shards] }

// add counts a request under a key. It returns the counter of the key's series, which
// counters is asked for once.
func (r *rollups) add(k Key, sums Sums, latency time.Duration, now time.Time, counters func() *counter) *counter {
	sh := r.shard(k)
	sh.mu.Lock()
	s, ok := sh.series[k]
	if !ok {
		s = &series{}
		sh.series[k] = s
	}
	if s.counter == nil {
		s.counter = counters()
	}
	s.sums.add(sums)
	s.used = now.UnixNano()
	r.observe(s, latency)
	c := s.counter
	sh.mu.Unlock()
	if !ok && r.size.Add(1) > r.limit {
		r.fold()
	}
	return c
}

// observe adds a latency to the sketch of a series whose shard is locked.
func (r *rollups) observe(s *series, latency time.Duration) {
	if latency <= 0 {
		return
	}
	if s.latency == nil {
		s.latency = r.sketch()
	}
	_ = s.latency.Add(max(minLatency, min(latency, maxLatency)).Seconds()) // fails only for values it cannot index
}

// sketch returns an empty sketch. Its store takes memory by what was added, about 100 bytes for a few values.
func (r *rollups) sketch() *ddsketch.DDSketch {
	return ddsketch.NewDDSketchFromStoreProvider(r.mapping, store.BufferedPaginatedStoreConstructor)
}

// each calls f with every series, holding the lock of its shard.
func (r *rollups) each(f func(Key, *series)) {
	r.folding.RLock()
	defer r.folding.RUnlock()
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		for k, s := range sh.series {
			f(k, s)
		}
		sh.mu.Unlock()
	}
}
