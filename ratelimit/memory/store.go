package memory

import (
	"context"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	shards = 64 // One bit each in a uint64.
	// DefaultBuckets is how many buckets a Store holds where Options say nothing: a minute of 8,700 new keys a second.
	DefaultBuckets = 1 << 19
	// past is how much of the limiter's time lies before the store's beginning, for what was spent before that: more than the
	// longest window (366 days).
	past = 2 * 366 * 24 * time.Hour
)

// Options of a Store.
type Options struct {
	Clock   func() time.Time // Must be monotonic within the process, as time.Now is.
	Buckets int              // How many are kept at most, rounded up to a multiple of 64; 0: DefaultBuckets.
}

// Store is a ratelimit.Store in memory.
type Store struct {
	clock  func() time.Time
	origin time.Time // What the limiter's times count from.
	shards [shards]shard
	sealed bool // Changed under the locks of all shards, read under that of any.

	evicted atomic.Uint64
}

// New returns an empty Store.
func New(o Options) *Store {
	if o.Buckets <= 0 {
		o.Buckets = DefaultBuckets
	}
	s := &Store{clock: o.Clock, origin: o.Clock().Add(-past)}
	for i := range s.shards {
		s.shards[i].init((o.Buckets + shards - 1) / shards)
	}
	return s
}

// Spend spends all charges or none. It returns no error but ratelimit.ErrMoved, after Seal.
func (s *Store) Spend(_ context.Context, charges []ratelimit.Charge, results []limiter.Result) (bool, error) {
	var few [4]hash
	hashes := few[:0]
	var touched uint64
	for i := range charges {
		h := hashOf(charges[i].Key)
		hashes = append(hashes, h)
		touched |= 1 << h.shard()
	}
	s.lock(touched)
	defer s.unlock(touched) // Deferred, as a panic must not leave a shard locked.
	if s.sealed {
		return false, ratelimit.ErrMoved
	}
	now := s.clock().Sub(s.origin) // Under the locks, so that no bucket sees time run backwards.

	if !s.peek(charges, hashes, results, now) {
		return false, nil
	}
	for i := range charges {
		s.spend(&charges[i], hashes[i], now)
	}
	for i := range charges { // Only now, as charges on one bucket add up.
		results[i] = charges[i].Window.Peek(s.shards[hashes[i].shard()].state(hashes[i]), now, 0)
	}
	return true, nil
}

// peek fills in how each charge would fare and says whether all may be spent.
func (s *Store) peek(charges []ratelimit.Charge, hashes []hash, results []limiter.Result, now time.Duration) bool {
	all := true
	for i := range charges {
		c := &charges[i]
		cost := c.Cost
		for j := range i {
			if hashes[j] == hashes[i] {
				cost += min(charges[j].Cost, math.MaxInt64-cost)
			}
		}
		shard := &s.shards[hashes[i].shard()]
		results[i] = c.Window.Peek(shard.state(hashes[i]), now, cost)
		if !results[i].OK {
			all = false
			shard.refused(hashes[i])
		}
	}
	return all
}

// spend spends one charge that peek allowed.
func (s *Store) spend(c *ratelimit.Charge, h hash, now time.Duration) {
	if c.Cost <= 0 {
		return
	}
	shard := &s.shards[h.shard()]
	b := shard.find(h)
	if b == nil {
		var evicted bool
		if b, evicted = shard.add(h, now); evicted {
			s.evicted.Add(1)
		}
	} else {
		b.again = true
	}
	b.window = c.Window
	c.Window.Spend(&b.state, now, c.Cost)
	if shard.changed != nil {
		shard.changed[h] = struct{}{}
	}
}

// lock locks the shards whose bits are set, always in the same order, so that two calls cannot wait for each other.
func (s *Store) lock(touched uint64) {
	for ; touched != 0; touched &= touched - 1 {
		s.shards[bits.TrailingZeros64(touched)].Lock()
	}
}

func (s *Store) unlock(touched uint64) {
	for ; touched != 0; touched &= touched - 1 {
		s.shards[bits.TrailingZeros64(touched)].Unlock()
	}
}

// Buckets returns how many buckets are held.
func (s *Store) Buckets() int {
	n := 0
	for i := range s.shards {
		s.shards[i].Lock()
		n += len(s.shards[i].order)
		s.shards[i].Unlock()
	}
	return n
}

// Evicted returns how many buckets were dropped that were not empty: more than a few, and Options.Buckets is too small.
func (s *Store) Evicted() uint64 { return s.evicted.Load() }

// Reset forgets what was spent from some buckets. It returns no error but ratelimit.ErrMoved, after Seal.
func (s *Store) Reset(_ context.Context, keys [][]byte) error {
	for _, key := range keys {
		if !s.reset(hashOf(key)) {
			return ratelimit.ErrMoved
		}
	}
	return nil
}

func (s *Store) reset(h hash) bool {
	shard := &s.shards[h.shard()]
	shard.Lock()
	defer shard.Unlock()
	if b := shard.find(h); b != nil && !s.sealed {
		b.state = limiter.State{}
		if shard.changed != nil {
			shard.changed[h] = struct{}{}
		}
	}
	return !s.sealed
}
