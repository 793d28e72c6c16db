package memory

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// A store moves to another process in two steps: Export while it serves, then Seal, which stops it and gives what changed in
// between; so the stop is short however much there is. How buckets are written stands in format.go.

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
	shard.changed = map[hash]struct{}{}
	w := writer{now: s.now()}
	for _, b := range shard.order {
		if !b.gone(w.now) {
			w.add(b)
		}
	}
	return w.pieces()
}

// Seal stops the store: from now on Spend returns ratelimit.ErrMoved. It returns what has changed since Export.
func (s *Store) Seal() [][]byte {
	s.lock(math.MaxUint64)
	defer s.unlock(math.MaxUint64)
	s.sealed = true
	w := writer{now: s.now()}
	for i := range s.shards {
		shard := &s.shards[i]
		for h := range shard.changed {
			// An empty one was reset or given back; one that has gone meanwhile is kept by who imported it: early, never late.
			if b := shard.find(h); b != nil {
				w.add(b)
			}
		}
		shard.changed = nil
	}
	return w.pieces()
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

// Import takes over buckets that Export or Seal has written, here or in a Gatehouse before this one. A bucket that is here
// already is replaced. What measures passing time begins to count again where it stood when it was written: a request may be
// refused early by the time of the way, and is never admitted late.
func (s *Store) Import(piece []byte) error {
	_, err := s.read(piece, false)
	return err
}

// read takes over a piece and returns how old it is. From a file, which may be old, buckets come beside those that are here,
// and as much older as the clock on the wall says.
func (s *Store) read(piece []byte, file bool) (age time.Duration, err error) {
	r := newReader(piece)
	now := s.now()
	age = max(now.wall-r.written.wall, 0)
	for len(r.rest) > 0 {
		b := r.bucket()
		if r.bad {
			break
		}
		if file || b.kind.Aligned() {
			b.grow(age)
		}
		if err := s.put(&b, now, file); err != nil {
			return 0, fmt.Errorf("read buckets: %w", err)
		}
	}
	if r.bad {
		return 0, errors.New("read buckets: the data end, make no sense, or were written by another version")
	}
	return age, nil
}

// grow makes a bucket older.
func (w *written) grow(older time.Duration) {
	w.left = max(w.left-older, 0)
	for i := range w.spendings {
		w.spendings[i].Age += min(older, math.MaxInt64-w.spendings[i].Age)
	}
}

// put places one bucket.
func (s *Store) put(w *written, now times, beside bool) error {
	at := now.of(w.kind)
	state, err := limiter.Restore(w.kind, w.spendings, at)
	if err != nil {
		return err
	}
	shard := &s.shards[w.hash.shard()]
	shard.Lock()
	defer shard.Unlock()
	b := shard.find(w.hash)
	switch {
	case b != nil && beside:
		return nil
	case b == nil && w.left == 0:
		return nil
	case b == nil:
		var evicted bool
		if b, evicted = shard.add(w.hash, now); evicted {
			s.evicted.Add(1)
		}
	}
	b.state, b.most, b.empty, b.again = state, w.most, at+min(w.left, math.MaxInt64-max(at, 0)), w.again
	shard.keep(b, b.again && w.left > long)
	shard.touched = true
	return nil
}
