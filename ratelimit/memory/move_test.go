package memory_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

// move brings what a store holds into another one, spending in between what the test says.
func move(t testing.TB, from, to *memory.Store, between func()) {
	t.Helper()
	if err := from.Export(to.Import); err != nil {
		t.Fatal(err)
	}
	between()
	for _, piece := range from.Seal() {
		if err := to.Import(piece); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMove moves a store to one with another clock: what was spent before, and while it moved, still counts, and ends to
// count when it would have.
func TestMove(t *testing.T) {
	t.Parallel()
	from, clock := open(0)
	to, later := open(0)
	w := limiter.Window{Limit: 3, Per: time.Minute}
	spend(t, from, "moved", w)
	spend(t, from, "over", w)
	clock.Advance(20 * time.Second)
	move(t, from, to, func() {
		spend(t, from, "moved", w)
		spend(t, from, "new", w)
	})
	if _, err := from.Spend(t.Context(), []ratelimit.Charge{{Key: []byte("moved"), Window: w, Cost: 1}}, make([]limiter.Result, 1)); !errors.Is(err, ratelimit.ErrMoved) {
		t.Errorf("a sealed store says %v, want %v", err, ratelimit.ErrMoved)
	}
	for key, want := range map[string]int64{"moved": 0, "over": 1, "new": 1, "fresh": 2} {
		if _, r := spend(t, to, key, w); r.Remaining != want {
			t.Errorf("of %q %d remain after the move and one more, want %d", key, r.Remaining, want)
		}
	}
	if ok, r := spend(t, to, "moved", w); ok || r.Retry != 40*time.Second {
		t.Errorf("a full bucket after the move: %v, retry after %v", ok, r.Retry)
	}
	later.Advance(40 * time.Second)
	if ok, _ := spend(t, to, "moved", w); !ok {
		t.Error("what was spent counts longer after a move")
	}
	from.Unseal()
	if _, r := spend(t, from, "moved", w); r.Remaining != 0 {
		t.Errorf("after a move in vain %d remain, want 0", r.Remaining)
	}
}

// TestMoveNeverLate spends at random before, during and after a move, with a way that takes time: in no window is more
// admitted than the limit.
func TestMoveNeverLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		from, clock := open(0)
		to, later := open(0)
		w := limiter.Window{Limit: rapid.Int64Range(1, 100).Draw(r, "limit"), Per: 10 * time.Second}
		var admitted []time.Duration
		var now time.Duration
		advance := func(d time.Duration) {
			now += d
			clock.Advance(d)
			later.Advance(d)
		}
		some := func(s *memory.Store, label string) {
			for range rapid.IntRange(0, 150).Draw(r, label) {
				advance(time.Duration(rapid.IntRange(0, 300).Draw(r, "wait")) * time.Millisecond)
				if ok, _ := spend(t, s, "key", w); ok {
					admitted = append(admitted, now)
				}
			}
		}
		some(from, "before")
		var pieces [][]byte
		if err := from.Export(func(p []byte) error { pieces = append(pieces, p); return nil }); err != nil {
			r.Fatal(err)
		}
		some(from, "meanwhile")
		pieces = append(pieces, from.Seal()...)
		advance(time.Duration(rapid.IntRange(0, 1000).Draw(r, "way")) * time.Millisecond)
		for _, p := range pieces {
			if err := to.Import(p); err != nil {
				r.Fatal(err)
			}
		}
		some(to, "after")
		for i := range admitted {
			if last := i + int(w.Limit); last < len(admitted) && admitted[last]-admitted[i] < w.Per {
				r.Fatalf("%d admitted within %v, limit %d", w.Limit+1, admitted[last]-admitted[i], w.Limit)
			}
		}
	})
}

// TestMoveMany moves buckets of every shard.
func TestMoveMany(t *testing.T) {
	t.Parallel()
	from, _ := open(0)
	to, _ := open(0)
	w := limiter.Window{Limit: 2, Per: time.Minute}
	const keys = 20_000
	for i := range keys {
		spend(t, from, fmt.Sprint(i), w)
	}
	move(t, from, to, func() {})
	if n := to.Buckets(); n != keys {
		t.Errorf("%d buckets arrived, want %d", n, keys)
	}
}

// BenchmarkMove moves a full store to another one.
func BenchmarkMove(b *testing.B) {
	from, _ := open(0)
	w := limiter.Window{Limit: 5, Per: time.Minute}
	for i := range 500_000 {
		spend(b, from, strconv.Itoa(i), w)
	}
	size := 0
	for b.Loop() {
		to, _ := open(0)
		size = 0
		if err := from.Export(func(p []byte) error { size += len(p); return to.Import(p) }); err != nil {
			b.Fatal(err)
		}
		for _, p := range from.Seal() {
			if err := to.Import(p); err != nil {
				b.Fatal(err)
			}
		}
		from.Unseal()
	}
	b.ReportMetric(float64(size)/500_000, "bytes/bucket")
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	from, _ := open(0)
	spend(t, from, "key", limiter.Window{Limit: 2, Per: time.Minute})
	var whole []byte
	if err := from.Export(func(p []byte) error { whole = p; return nil }); err != nil {
		t.Fatal(err)
	}
	const head = 29 // A piece of no buckets.
	for n := 1; n < len(whole); n++ {
		to, _ := open(0)
		if err := to.Import(whole[:n]); err == nil && n != head {
			t.Errorf("the first %d of %d bytes are taken", n, len(whole))
		}
	}
}

// TestImportFormer takes over from a process of the version before there were kinds of windows.
func TestImportFormer(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("alice"))
	piece := append(sum[:16:16], 1) // Asked for again.
	for _, n := range []uint64{5, uint64(time.Minute), 2, uint64(50 * time.Second), 3, uint64(10 * time.Second), 1} {
		piece = binary.AppendUvarint(piece, n)
	}
	to, clock := open(0)
	if err := to.Import(piece); err != nil {
		t.Fatal(err)
	}
	w := limiter.Window{Limit: 5, Per: time.Minute}
	if _, r := spend(t, to, "alice", w); r.Remaining != 0 || r.Reset != 10*time.Second {
		t.Errorf("after four and one of five: %+v", r)
	}
	clock.Advance(10 * time.Second)
	if _, r := spend(t, to, "alice", w); r.Remaining != 2 {
		t.Errorf("after the first three have passed: %+v", r)
	}
}

// TestMoveForgets resets and gives back what was written already: who takes over forgets it too.
func TestMoveForgets(t *testing.T) {
	t.Parallel()
	from, _ := open(0)
	to, _ := open(0)
	w := limiter.Window{Limit: 3, Per: time.Minute}
	spend(t, from, "reset", w)
	spend(t, from, "given back", w)
	move(t, from, to, func() {
		if err := from.Reset(t.Context(), [][]byte{[]byte("reset")}); err != nil {
			t.Fatal(err)
		}
		spendOf(t, from, ratelimit.Charge{Key: []byte("given back"), Window: w, Cost: -1})
	})
	for _, key := range []string{"reset", "given back"} {
		if _, r := spend(t, to, key, w); r.Remaining != 2 {
			t.Errorf("%s: %d remain after the move and one, want 2", key, r.Remaining)
		}
	}
}

// TestMoveKinds moves buckets of every kind, and what is left of grants.
func TestMoveKinds(t *testing.T) {
	t.Parallel()
	from, clock := open(0)
	to, later := open(0)
	for name, w := range kinds() {
		spendOf(t, from, ratelimit.Charge{Key: []byte(name), Window: w, Cost: 9})
		spendOf(t, from, ratelimit.Charge{Key: []byte(name), Window: w, Cost: -2, Grant: true})
	}
	clock.Advance(time.Minute)
	later.Advance(time.Minute + 2*time.Second) // The way.
	move(t, from, to, func() {})
	for name, w := range kinds() {
		want := w.Most() - 9 + 2
		if w.Kind == limiter.Paced || w.Kind == limiter.Tokens {
			want++
		}
		if _, r := spendOf(t, to, ratelimit.Charge{Key: []byte(name), Window: w}); r.Remaining != want {
			t.Errorf("%s: %d remain after the move, want %d", name, r.Remaining, want)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte("0123456789abcdef\x01\x05\x80\x80\x04\x01\x01\x01"))
	from, _ := open(0)
	for name, w := range kinds() {
		spend(f, from, name, w)
	}
	for _, piece := range from.Seal() {
		f.Add(piece)
	}
	if err := from.Export(func(piece []byte) error { f.Add(piece); return nil }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		s, _ := open(64)
		if s.Import(piece) == nil {
			spend(t, s, "key", limiter.Window{Limit: 1, Per: time.Second})
		}
	})
}
