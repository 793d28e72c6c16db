package heap_test

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/heap"
)

// TestPercent gives little room to grow, and much what Go gives.
func TestPercent(t *testing.T) {
	for _, test := range []struct {
		live uint64
		want int
	}{{0, 800}, {1 << 20, 800}, {16 << 20, 400}, {32 << 20, 200}, {64 << 20, 100}, {1 << 30, 100}} {
		if got := heap.Percent(test.live); got != test.want {
			t.Errorf("%d bytes: %d, want %d", test.live, got, test.want)
		}
	}
}

// TestRhythm gives more room to a heap that is collected again and again, and takes it back when that ends.
func TestRhythm(t *testing.T) {
	var r heap.Rhythm
	now := time.Now()
	for i, c := range []struct {
		after time.Duration
		live  uint64 // MiB
		want  int
	}{
		{time.Hour, 100, 100},
		{time.Second, 100, 100},
		{time.Second, 110, 232}, // Twice in a row.
		{time.Second, 100, 256},
		{5 * time.Second, 100, 256}, // As it was given more room.
		{time.Second, 200, 100},     // Something else is held now.
		{time.Second, 200, 100},
		{time.Second, 200, 128},
		{time.Second, 200, 128},
		{time.Minute, 200, 100}, // It is quiet.
		{time.Second, 200, 100},
		{5 * time.Second, 1000, 100},
		{time.Second, 1000, 100},
		{time.Second, 1000, 100},
		{time.Second, 1000, 100},
		{time.Second, 1000, 100}, // It holds so much that twice that is room enough.
		{time.Second, 10, 640},
		{time.Second, 10, 640},
		{time.Second, 10, 640},
		{time.Second, 10, 640},
		{time.Second, 10, 640}, // It has enough already.
	} {
		now = now.Add(c.after)
		if got := r.Collected(now, c.live<<20); got != c.want {
			t.Errorf("collection %d: %d, want %d", i, got, c.want)
		}
	}
}

// percent returns what is set.
func percent() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

// TestPace follows what the process holds, and sets back what was there before.
func TestPace(t *testing.T) {
	before := percent()
	p := heap.Begin(func(string) (string, bool) { return "", false })
	if percent() <= before {
		t.Errorf("at first %d", percent())
	}
	held := make([]byte, 2*heap.Room)
	for i := 0; i < len(held); i += os.Getpagesize() {
		held[i] = 1
	}
	await(t, func() bool { return percent() <= 200 })
	runtime.KeepAlive(held)
	await(t, func() bool { return percent() > 400 })
	p.Stop()
	p.Stop()
	runtime.GC()
	if percent() != before {
		t.Errorf("afterwards %d, want %d", percent(), before)
	}
}

// TestGOGC leaves the percentage as it is where somebody has set it.
func TestGOGC(t *testing.T) {
	before := percent()
	p := heap.Begin(func(name string) (string, bool) { return "50", name == "GOGC" })
	if percent() != before {
		t.Errorf("it is %d", percent())
	}
	p.Stop()
	if percent() != before {
		t.Errorf("afterwards %d", percent())
	}
}

func await(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("it stays at %d", percent())
		}
	}
}
