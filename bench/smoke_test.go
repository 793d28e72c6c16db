//go:build e2e

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestSmoke takes the smallest step for real: an Envoy, the daemon and an empty server, each a process of its own.
func TestSmoke(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	b, err := newBench(options{root: ".."}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	b.pace = pace{turns: 1, calls: 50 * time.Millisecond}
	if err := b.limit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(b.table.figures); n != 6 {
		t.Fatalf("%d figures, want 6", n)
	}
	for _, f := range b.table.figures {
		if f.ratio.median <= 0 || strings.HasPrefix(f.ours, "0.00") {
			t.Errorf("%s: nothing was measured: %+v", f.what, f)
		}
	}
}
