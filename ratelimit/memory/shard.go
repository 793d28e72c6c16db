package memory

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	lookNew  = 4 // Buckets that each new one looks at for empty ones, so that these go faster than new ones come.
	lookFull = 8 // Buckets of which one goes where the shard is full.
)

// hash stands for a key. It is cryptographic, as keys hold what clients send: nobody can aim at another's bucket or at one shard.
type hash [16]byte

func hashOf(key []byte) hash {
	sum := sha256.Sum256(key)
	return hash(sum[:])
}

func (h hash) shard() int { return int(h[0]) % shards }

// bucket is what was spent under one key.
type bucket struct {
	hash   hash
	index  int            // Of this bucket in its shard's order.
	window limiter.Window // By which it was last spent from.
	state  limiter.State
	again  bool // Asked for more than once: not one of the keys that somebody invents to push out others.
}

// shard is a part of the buckets under one lock.
type shard struct {
	sync.Mutex
	buckets map[hash]*bucket
	order   []*bucket // The same, in no meaningful order: what hand moves over.
	hand    int
	limit   int
	none    limiter.State     // What a key without bucket has spent; stays zero.
	changed map[hash]struct{} // What was spent from since Export; nil where nobody wants to know.
}

func (s *shard) init(limit int) {
	s.buckets = map[hash]*bucket{}
	s.limit = limit
}

func (s *shard) find(h hash) *bucket { return s.buckets[h] }

// state returns what was spent under a key, for reading.
func (s *shard) state(h hash) *limiter.State {
	if b := s.buckets[h]; b != nil {
		return &b.state
	}
	return &s.none
}

// refused remembers that somebody came back to a bucket.
func (s *shard) refused(h hash) {
	if b := s.buckets[h]; b != nil {
		b.again = true
	}
}

// add makes a bucket and room for it, and says whether one that was not empty had to go.
func (s *shard) add(h hash, now time.Duration) (b *bucket, evicted bool) {
	s.dropEmpty(now)
	if len(s.order) >= s.limit {
		least := s.leastWorth(now)
		evicted = least.window.Spent(&least.state, now) > 0
		s.drop(least)
	}
	b = &bucket{hash: h, index: len(s.order)}
	s.order = append(s.order, b)
	s.buckets[h] = b
	return b, evicted
}

// dropEmpty looks at the next few buckets and drops those that nothing is spent from.
func (s *shard) dropEmpty(now time.Duration) {
	for range min(lookNew, len(s.order)) {
		b := s.next()
		if b.window.Empty(&b.state) <= now {
			s.drop(b)
		}
	}
}

// leastWorth returns, of the next few buckets, the one whose loss matters least: seen only once rather than again, then the
// smallest part of its limit spent, then the sooner empty.
func (s *shard) leastWorth(now time.Duration) *bucket {
	var least *bucket
	var smallest float64
	for range min(lookFull, len(s.order)) {
		b := s.next()
		part := float64(b.window.Spent(&b.state, now)) / float64(max(b.window.Limit, 1))
		if b.again {
			part++
		}
		if least == nil || part < smallest ||
			part == smallest && b.window.Empty(&b.state) < least.window.Empty(&least.state) {
			least, smallest = b, part
		}
	}
	return least
}

// next returns the bucket that the hand points at, and moves on.
func (s *shard) next() *bucket {
	if s.hand >= len(s.order) {
		s.hand = 0
	}
	b := s.order[s.hand]
	s.hand++
	return b
}

// drop removes a bucket. The last one, which is mostly the newest, takes its place behind the hand.
func (s *shard) drop(b *bucket) {
	last := len(s.order) - 1
	s.order[b.index] = s.order[last]
	s.order[b.index].index = b.index
	s.order[last] = nil
	s.order = s.order[:last]
	delete(s.buckets, b.hash)
}
