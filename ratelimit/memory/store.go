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
)

// Options of a Store.
type Options struct {
	Clock   func() time.Time // As time.Now, which tells both how much time passes and what the clock on the wall says.
	Buckets int              // How many are kept at most, rounded up to a multiple of 64; 0: DefaultBuckets.
}

// Store is a ratelimit.Store in memory.
type Store struct {
	clock  func() time.Time
	opened time.Time // What passing time is measured from.
	shards [shards]shard
	sealed bool // Changed under the locks of all shards, read under that of any.

	saves   uint32 // How often Save has written.
	unsaved bool   // The last Save failed.
	evicted atomic.Uint64
}

// New returns an empty Store.
func New(o Options) *Store {
	if o.Buckets <= 0 {
		o.Buckets = DefaultBuckets
	}
	s := &Store{clock: o.Clock, opened: o.Clock()}
	for i := range s.shards {
		s.shards[i].init((o.Buckets + shards - 1) / shards)
	}
	return s
}

// times is what time it is.
type times struct {
	passing time.Duration // Since 1970 as this process measures it: nobody sets it.
	wall    time.Duration // Since 1970 as the clock on the wall says, which somebody may set.
}

// now reads the clock once.
func (s *Store) now() times {
	now := s.clock()
	return times{passing: time.Duration(s.opened.UnixNano()) + now.Sub(s.opened), wall: time.Duration(now.UnixNano())}
}

// of returns the time that counts for windows of a kind.
func (t times) of(kind limiter.Kind) time.Duration {
	if kind.Aligned() {
		return t.wall
	}
	return t.passing
}

// place is where a charge goes.
type place struct {
	hash   hash
	shard  *shard
	bucket *bucket // nil: there is none. Only right until the shard has added one, which may drop others.
}

// Spend spends as ratelimit.Store says. It returns no error but ratelimit.ErrMoved, after Seal.
func (s *Store) Spend(_ context.Context, charges []ratelimit.Charge, results []limiter.Result) (bool, error) {
	var few [4]place
	places := few[:0]
	var touched uint64
	for i := range charges {
		h := hashOf(charges[i].Key)
		places = append(places, place{hash: h, shard: &s.shards[h.shard()]})
		touched |= 1 << h.shard()
	}
	s.lock(touched)
	defer s.unlock(touched) // Deferred, as a panic must not leave a shard locked.
	if s.sealed {
		return false, ratelimit.ErrMoved
	}
	now := s.now() // Under the locks, so that no bucket sees time run backwards.

	all, spent, added := peek(charges, places, results, now), false, false
	for i := range charges {
		if c := &charges[i]; results[i].OK && c.Cost != 0 && (all || c.Always) {
			if added {
				places[i].find()
			}
			added = s.spend(c, &places[i], now) || added
			spent = true
		}
	}
	for i := range charges { // Only now, as charges on one bucket add up.
		if spent {
			if added {
				places[i].find()
			}
			after := charges[i].Window.Peek(places[i].state(), now.of(charges[i].Window.Kind), 0)
			results[i].Remaining, results[i].Reset = after.Remaining, after.Reset
		}
	}
	return all, nil
}

// find looks the bucket up.
func (p *place) find() { p.bucket = p.shard.find(p.hash) }

// state returns what was spent, for reading.
func (p *place) state() *limiter.State {
	if p.bucket == nil {
		return &p.shard.none
	}
	return &p.bucket.state
}

// peek fills in how each charge would fare and says whether all that may refuse are admitted.
func peek(charges []ratelimit.Charge, places []place, results []limiter.Result, now times) bool {
	all := true
	for i := range charges {
		c, p := &charges[i], &places[i]
		cost := max(c.Cost, 0)
		for j := range i {
			if places[j].hash == p.hash {
				cost += min(max(charges[j].Cost, 0), math.MaxInt64-cost)
			}
		}
		p.find()
		results[i] = c.Window.Peek(p.state(), now.of(c.Window.Kind), cost)
		switch {
		case c.Cost < 0 || c.Beyond:
			results[i].OK, results[i].Retry = true, 0
		case !results[i].OK:
			all = all && c.Shadow
			if p.bucket != nil {
				p.bucket.again = true // Somebody came back to it.
			}
		}
	}
	return all
}

// spend spends one charge that peek admitted, or gives back. It says whether a bucket was added for it.
func (s *Store) spend(c *ratelimit.Charge, p *place, now times) (added bool) {
	b := p.bucket
	switch {
	case b != nil:
		b.again = true
	case c.Cost < 0 && !c.Grant:
		return false // Nothing was spent.
	default:
		var evicted bool
		if b, evicted = p.shard.add(p.hash, now); evicted {
			s.evicted.Add(1)
		}
		added = true
	}
	at := now.of(c.Window.Kind)
	switch {
	case c.Cost > 0:
		c.Window.Spend(&b.state, at, c.Cost)
	case c.Grant:
		c.Window.Grant(&b.state, at, amount(c.Cost))
	default:
		c.Window.Refund(&b.state, at, amount(c.Cost))
	}
	b.most, b.empty = c.Window.Most(), c.Window.Empty(&b.state)
	p.shard.keep(b, b.again && b.empty > at+long)
	p.shard.touched = true
	if p.shard.changed != nil {
		p.shard.changed[p.hash] = struct{}{}
	}
	return added
}

// amount returns how much a cost below 0 gives.
func amount(cost int64) int64 { return -max(cost, -math.MaxInt64) }

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
		b.state, b.empty = limiter.State{}, math.MinInt64
		shard.touched = true
		if shard.changed != nil {
			shard.changed[h] = struct{}{}
		}
	}
	return !s.sealed
}
