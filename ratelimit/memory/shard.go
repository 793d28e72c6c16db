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
	// long is from when on what is spent from a bucket is worth more than from others: it counts for so long that who empties
	// it by a flood gains much.
	long = time.Hour
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
	hash  hash
	index int // Of this bucket in its shard's order.
	state limiter.State
	most  int64         // What its window admitted at once when it was last spent from.
	empty time.Duration // From when on it is empty, by the time that counts for its kind.
	again bool          // Asked for more than once: not one of the keys that somebody invents to push out others.
	saved uint32        // By which Save it was written last.
	kept  bool          // Counted in the shard's kept: asked for again, and what is spent from it counts for long.
}

// gone says whether nothing is spent any more.
func (b *bucket) gone(now times) bool { return b.empty <= now.of(b.state.Kind()) }

// part returns which part of its limit is spent, at most 1. What has passed since it was last asked for still counts.
func (b *bucket) part() float64 {
	if b.state.Granted() {
		return 1 // Somebody wanted this one to have more.
	}
	return min(float64(b.state.Total())/float64(max(b.most, 1)), 1)
}

// shard is a part of the buckets under one lock.
type shard struct {
	sync.Mutex
	buckets map[hash]*bucket
	order   []*bucket // The same, in no meaningful order: what hand moves over.
	hand    int
	limit   int
	kept    int               // How many buckets are.
	touched bool              // Since Save has last looked.
	none    limiter.State     // What a key without bucket has spent; stays zero.
	changed map[hash]struct{} // What was spent from since Export; nil where nobody wants to know.
}

func (s *shard) init(limit int) {
	s.buckets = map[hash]*bucket{}
	s.limit = limit
}

func (s *shard) size() int {
	s.Lock()
	defer s.Unlock()
	return len(s.order)
}

func (s *shard) find(h hash) *bucket { return s.buckets[h] }

// add makes a bucket and room for it, and says whether one that was not empty had to go.
func (s *shard) add(h hash, now times) (b *bucket, evicted bool) {
	s.dropEmpty(now)
	if len(s.order) >= s.limit {
		least := s.leastWorth(now)
		evicted = !least.gone(now)
		s.drop(least)
	}
	b = &bucket{hash: h, index: len(s.order)}
	s.order = append(s.order, b)
	s.buckets[h] = b
	return b, evicted
}

// keep remembers whether what is spent from a bucket counts for long.
func (s *shard) keep(b *bucket, kept bool) {
	if b.kept != kept {
		b.kept = kept
		if s.kept--; kept {
			s.kept += 2
		}
	}
}

// dropEmpty looks at the next few buckets and drops those that nothing is spent from.
func (s *shard) dropEmpty(now times) {
	for range min(lookNew, len(s.order)) {
		if b := s.next(); b.gone(now) {
			s.drop(b)
		}
	}
}

// leastWorth returns, of the next few buckets, the one whose loss matters least: an empty one, then one seen only once rather
// than again, then one of which the spending counts for less than an hour, then the smallest part of its limit spent, then the
// sooner empty. Those that count for longer have that privilege for half of the shard: they must not push out all others.
func (s *shard) leastWorth(now times) *bucket {
	var least *bucket
	var smallest float64
	for range min(lookFull, len(s.order)) {
		b := s.next()
		if b.gone(now) {
			return b
		}
		worth := b.part()
		if b.again {
			worth++
		}
		if b.kept && s.kept <= s.limit/2 {
			worth++
		}
		if least == nil || worth < smallest || worth == smallest && b.empty < least.empty {
			least, smallest = b, worth
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
	s.keep(b, false)
	last := len(s.order) - 1
	s.order[b.index] = s.order[last]
	s.order[b.index].index = b.index
	s.order[last] = nil
	s.order = s.order[:last]
	delete(s.buckets, b.hash)
}
