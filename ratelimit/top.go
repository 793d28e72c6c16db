package ratelimit

import (
	"container/heap"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// topEntries is how many buckets are known that are near or over their limits. A bucket that is noted more often than one in so many
	// times is always among them (Metwally, Agrawal, El Abbadi: space-saving).
	topEntries = 512
	// topValue is how many bytes of a key's value are kept.
	topValue = 64
)

// Top is a bucket that is near its limit or over it.
type Top struct {
	LimitID
	API, Version, Operation string
	// Key is what the bucket counts by: the parts of the limit's key and their values. Of what may be a secret there is a hash.
	Key       []KeyValue
	Limit     int64 // Of its tightest window.
	Remaining int64
	Over      bool          // Its last request was refused, or would have been in shadow mode.
	Reset     time.Duration // Until more remains, at the time of Top.
	Times     uint64        // How often it was seen near or over its limit, at most.
	Seen      time.Time     // Last.
}

// KeyValue is a part of a limit's key and its value.
type KeyValue struct {
	Part, Value string
	Absent      bool // The requests have none.
}

// Top returns the buckets that are near or over their limits now as far as this process knows, those seen most often first. A
// bucket whose reset has passed since is none of them.
func (s *Service) Top() []Top { return s.top.list() }

// top keeps the buckets that are seen most often near or over their limits.
type top struct {
	now  func() time.Time
	seed maphash.Seed

	mu      sync.Mutex
	entries topHeap
	at      map[uint64]*topEntry // By the hash of the bucket's key.
}

type topEntry struct {
	hash  uint64
	index int
	key   string
	last  asked
	times uint64
	seen  time.Time
}

func newTop(now func() time.Time) *top {
	return &top{now: now, seed: maphash.MakeSeed(), at: map[uint64]*topEntry{}}
}

// note takes in how a bucket stands.
func (t *top) note(a *asked, key []byte) {
	hash := maphash.Bytes(t.seed, key)
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.at[hash]
	switch {
	case e != nil:
	case len(t.entries) < topEntries:
		e = &topEntry{hash: hash, index: len(t.entries), key: string(key)}
		t.at[hash] = e
		t.entries = append(t.entries, e)
	default:
		e = t.entries[0]
		delete(t.at, e.hash)
		e.hash, e.key = hash, string(key)
		t.at[hash] = e
	}
	e.last, e.seen = *a, now
	e.times++
	heap.Fix(&t.entries, e.index)
}

func (t *top) list() []Top {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Top
	for _, e := range t.entries {
		left := e.last.result.Reset - now.Sub(e.seen)
		if left <= 0 {
			continue
		}
		l, r := e.last.limit, &e.last.result
		prefix := l.windows[e.last.window].prefix
		list = append(list, Top{
			LimitID: LimitID{l.scope, l.name}, API: l.counter.api, Version: l.counter.version, Operation: l.counter.operation,
			Key: l.readable([]byte(e.key[len(prefix):])), Limit: l.windows[e.last.window].Limit, Remaining: r.Remaining, Over: !r.OK,
			Reset: left, Times: e.times, Seen: e.seen,
		})
	}
	slices.SortFunc(list, func(a, b Top) int {
		if a.Times != b.Times {
			if a.Times > b.Times {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Scope+a.Name, b.Scope+b.Name)
	})
	return list
}

// topHeap has the bucket that was seen least often first.
type topHeap []*topEntry

func (h topHeap) Len() int           { return len(h) }
func (h topHeap) Less(i, j int) bool { return h[i].times < h[j].times }
func (h topHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push and Pop are not used: the heap only grows at its end, where times is least or is mended.
func (h *topHeap) Push(any) {}

// Pop returns nothing.
func (h *topHeap) Pop() any { return nil }
