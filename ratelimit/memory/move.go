package memory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// A store moves to another process in two steps: Export while it serves, then Seal, which stops it and gives what changed in
// between; so the stop is short however much there is. A bucket travels as
//
//	hash, 1 if asked for again, limit, window in nanoseconds, number of moments, then age in nanoseconds and cost of each
//
// with all numbers as varints. Ages count from the moment of writing, as the clocks of two processes have nothing in common: what is
// read later counts for that much longer, so that a request may be refused early by the time of the way, and is never
// admitted late.

// chunkSize is about how many bytes are written at once.
const chunkSize = 1 << 20

// Export writes every bucket that something is spent from, in pieces that Import takes, while the store goes on. It
// remembers from now on what changes, for Seal.
func (s *Store) Export(write func([]byte) error) error {
	for i := range s.shards {
		shard := &s.shards[i]
		var failed error
		var piece []byte
		for _, part := range s.begin(shard) {
			if piece = append(piece, part...); len(piece) >= chunkSize {
				if failed = write(piece); failed != nil {
					return failed
				}
				piece = nil
			}
		}
		if len(piece) > 0 {
			if failed = write(piece); failed != nil {
				return failed
			}
		}
	}
	return nil
}

// begin returns the buckets of a shard, and lets it remember from now on which change.
func (s *Store) begin(shard *shard) [][]byte {
	shard.Lock()
	defer shard.Unlock()
	now := s.clock().Sub(s.origin)
	shard.changed = map[hash]struct{}{}
	var parts [][]byte
	var part []byte
	for _, b := range shard.order {
		if part = b.append(part, now); len(part) >= chunkSize {
			parts, part = append(parts, part), nil
		}
	}
	return append(parts, part)
}

// Seal stops the store: from now on Spend returns ratelimit.ErrMoved. It returns what has changed since Export.
func (s *Store) Seal() [][]byte {
	s.lock(math.MaxUint64)
	defer s.unlock(math.MaxUint64)
	now := s.clock().Sub(s.origin)
	s.sealed = true
	var parts [][]byte
	var part []byte
	for i := range s.shards {
		shard := &s.shards[i]
		for h := range shard.changed {
			if b := shard.find(h); b != nil { // One that has gone meanwhile is kept by who imported it: early, never late.
				part = b.append(part, now)
			}
			if len(part) >= chunkSize {
				parts, part = append(parts, part), nil
			}
		}
		shard.changed = nil
	}
	return append(parts, part)
}

// Unseal lets the store go on with what it had, where it was moved in vain.
func (s *Store) Unseal() {
	s.lock(math.MaxUint64)
	defer s.unlock(math.MaxUint64)
	s.sealed = false
	for i := range s.shards {
		s.shards[i].changed = nil
	}
}

// Import takes over buckets that Export or Seal has written. A bucket that is here already is replaced.
func (s *Store) Import(piece []byte) error {
	r := reader{rest: piece}
	for len(r.rest) > 0 {
		var h hash
		copy(h[:], r.take(len(h)))
		again := r.number() > 0
		w := limiter.Window{Limit: r.number(), Per: time.Duration(r.number())}
		spendings := make([]limiter.Spending, min(r.number(), limiter.Entries+1))
		for i := range spendings {
			spendings[i] = limiter.Spending{Age: time.Duration(r.number()), Cost: r.number()}
		}
		if r.bad || w.Per <= 0 {
			return errors.New("read buckets: the data end or make no sense")
		}
		if err := s.put(h, again, w, spendings); err != nil {
			return fmt.Errorf("read buckets: %w", err)
		}
	}
	return nil
}

// put places one bucket.
func (s *Store) put(h hash, again bool, w limiter.Window, spendings []limiter.Spending) error {
	shard := &s.shards[h.shard()]
	shard.Lock()
	defer shard.Unlock()
	now := s.clock().Sub(s.origin)
	state, err := limiter.Restore(w.Kind, spendings, now)
	if err != nil {
		return err
	}
	b := shard.find(h)
	if b == nil {
		var evicted bool
		if b, evicted = shard.add(h, now); evicted {
			s.evicted.Add(1)
		}
	}
	b.window, b.state, b.again = w, state, again
	return nil
}

// append writes a bucket, unless nothing is spent from it.
func (b *bucket) append(to []byte, now time.Duration) []byte {
	if b.window.Spent(&b.state, now) == 0 {
		return to
	}
	var room [limiter.Entries]limiter.Spending
	spendings := b.state.Spendings(room[:0], now)
	to = append(to, b.hash[:]...)
	numbers := []int64{0, b.window.Limit, int64(b.window.Per), int64(len(spendings))}
	if b.again {
		numbers[0] = 1
	}
	for _, spending := range spendings {
		numbers = append(numbers, int64(spending.Age), spending.Cost)
	}
	for _, n := range numbers {
		to = binary.AppendUvarint(to, uint64(n)) //nolint:gosec // None is below 0.
	}
	return to
}

// reader takes a piece apart. After the first thing that is not there it is bad, and gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if len(r.rest) < n {
		r.rest, r.bad = nil, true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number() int64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > math.MaxInt64 {
		r.rest, r.bad = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return int64(n)
}
