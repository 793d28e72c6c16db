package memory

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// Buckets are written in pieces, each of which can be read alone: magic, three zeros, version, the time by the clock on the
// wall, then for each bucket
//
//	hash, flags, kind, what is admitted at once, time left until it is empty, number of moments, then age and cost of each
//
// with all numbers after the hash as varints, times in nanoseconds. Ages count from the moment of writing. What is left of a grant is the
// last moment, and told by a flag.
//
// Before there were kinds, a piece had no head, and a bucket was its hash, 1 if asked for again, limit, window and moments.
// Such a piece is read too: a process that runs it may be the predecessor. It refuses the zeros, which it takes for a window.

const (
	// magic is what no hash is.
	magic = "gatehouse bucket"
	// version is how pieces are written.
	version = 2
	// chunkSize is about how many bytes are written at once.
	chunkSize = 1 << 20
)

const (
	flagAgain = 1 << iota
	flagGrant
)

// written is a bucket as it travels.
type written struct {
	hash      hash
	again     bool
	kind      limiter.Kind
	most      int64
	left      time.Duration // Until it is empty, at least 0.
	spendings []limiter.Spending
}

// writer makes pieces of buckets.
type writer struct {
	now  times
	full [][]byte
	part []byte
}

// add writes a bucket. Nothing is written of its moments where it is empty.
func (w *writer) add(b *bucket) {
	if len(w.part) == 0 {
		w.part = append(w.part, magic...)
		w.part = append(w.part, 0, 0, 0, version)
		w.part = binary.AppendUvarint(w.part, uint64(max(w.now.wall, 0)))
	}
	now := w.now.of(b.state.Kind())
	var room [limiter.SpendingsMost]limiter.Spending
	spendings, left := room[:0], max(b.empty, now)-now
	if left > 0 {
		spendings = b.state.Spendings(spendings, now)
	}
	flags := 0
	if b.again {
		flags |= flagAgain
	}
	if n := len(spendings); n > 0 && spendings[n-1].Cost < 0 {
		flags |= flagGrant
		spendings[n-1].Cost = -spendings[n-1].Cost
	}
	w.part = append(w.part, b.hash[:]...)
	w.part = append(w.part, byte(flags), byte(b.state.Kind())) // Varints, both below 128.
	w.number(b.most)
	w.number(int64(left))
	w.number(int64(len(spendings)))
	for _, spending := range spendings {
		w.number(int64(spending.Age))
		w.number(spending.Cost)
	}
	if len(w.part) >= chunkSize {
		w.full, w.part = append(w.full, w.part), nil
	}
}

// number writes a number that is not below 0.
func (w *writer) number(n int64) {
	w.part = binary.AppendUvarint(w.part, uint64(n)) //nolint:gosec // As said.
}

// pieces returns all that was written.
func (w *writer) pieces() [][]byte {
	if len(w.part) > 0 {
		w.full, w.part = append(w.full, w.part), nil
	}
	return w.full
}

// reader takes a piece apart. After the first thing that is not there it is bad, and gives zeros.
type reader struct {
	rest    []byte
	bad     bool
	version byte  // 1: without a head.
	written times // Only by the wall.
}

func newReader(piece []byte) *reader {
	r := &reader{rest: piece, version: 1}
	if len(piece) >= len(magic) && string(piece[:len(magic)]) == magic {
		r.take(len(magic))
		head := r.take(4)
		if r.bad || head[0] != 0 || head[1] != 0 || head[2] != 0 || head[3] != version {
			r.rest, r.bad = nil, true
			return r
		}
		r.version = version
		r.written.wall = time.Duration(r.number())
	}
	return r
}

// bucket takes one bucket.
func (r *reader) bucket() (b written) {
	copy(b.hash[:], r.take(len(b.hash)))
	if r.version == 1 {
		return r.former(b)
	}
	flags, kind := r.number(), r.number()
	b.again, b.kind = flags&flagAgain != 0, limiter.Kind(kind) //nolint:gosec // Checked below.
	b.most, b.left = r.number(), time.Duration(r.number())
	b.spendings = r.spendings()
	n := len(b.spendings)
	if flags&flagGrant != 0 && n > 0 {
		b.spendings[n-1].Cost = -b.spendings[n-1].Cost
	}
	r.bad = r.bad || flags > flagAgain|flagGrant || kind > int64(limiter.Quota)
	if r.bad {
		r.rest = nil
	}
	return b
}

// former takes one as it was written before there were kinds.
func (r *reader) former(b written) written {
	b.again = r.number() > 0
	b.most = r.number()
	per := time.Duration(r.number())
	b.spendings = r.spendings()
	if n := len(b.spendings); n > 0 {
		b.left = max(per-b.spendings[n-1].Age, 0)
	}
	if r.bad = r.bad || per <= 0; r.bad {
		r.rest = nil
	}
	return b
}

func (r *reader) spendings() []limiter.Spending {
	spendings := make([]limiter.Spending, min(r.number(), limiter.SpendingsMost+1))
	for i := range spendings {
		spendings[i] = limiter.Spending{Age: time.Duration(r.number()), Cost: r.number()}
	}
	return spendings
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
