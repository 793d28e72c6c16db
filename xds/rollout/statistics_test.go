package rollout

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWilson holds the interval against published values (Newcombe 1998, table I, for 95 %) scaled to our confidence by
// solving what defines it: the shares p with |k/n - p| = z sqrt(p (1-p) / n).
func TestWilson(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 1_000_000).Draw(t, "n")
		k := rapid.Uint64Range(0, n).Draw(t, "k")
		low, high := wilson(k, n)
		share := float64(k) / float64(n)
		if low > share+1e-9 || high < share-1e-9 {
			t.Fatalf("%d of %d: %v is not between %v and %v", k, n, share, low, high)
		}
		for _, p := range []float64{low, high} {
			if p < 1e-9 || p > 1-1e-9 {
				continue
			}
			if got := math.Abs(share-p) / math.Sqrt(p*(1-p)/float64(n)); math.Abs(got-confidence) > 1e-3 {
				t.Fatalf("%d of %d: %v is %v standard deviations away, want %v", k, n, p, got, confidence)
			}
		}
	})
}

// TestGrown holds the difference against Newcombe's method 10 worked by hand from the two intervals.
func TestGrown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		k, n, k0, n0 uint64
		grew         bool // Surely.
	}{
		{0, 100, 0, 400, false},
		{1, 100, 0, 400, false},
		{3, 100, 0, 400, false},
		{10, 100, 0, 400, true},
		{10, 100, 40, 400, false},
		{30, 1000, 10, 1000, false},
		{60, 1000, 10, 1000, true},
		{100, 100, 0, 100, true},
		{5, 0, 5, 10, false},
	} {
		if _, atLeast := grown(tt.k, tt.n, tt.k0, tt.n0); atLeast > 0 != tt.grew {
			t.Errorf("%d of %d against %d of %d: grew at least by %v, want sure: %v", tt.k, tt.n, tt.k0, tt.n0, atLeast, tt.grew)
		}
	}
}

// drawn is a sample of latencies that fall off exponentially.
type drawn []time.Duration

func (d drawn) Count() uint64 { return uint64(len(d)) }

func (d drawn) Quantile(q float64) time.Duration {
	sorted := append(drawn(nil), d...)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (d drawn) Above(limit time.Duration) uint64 {
	var count uint64
	for _, one := range d {
		if one > limit {
			count++
		}
	}
	return count
}

// TestFalseAlarms rolls out versions that change nothing, 3,000 times, and looks at the gates each second of a soak of 30 s,
// with few requests and many, few errors and many. Fewer than one in a hundred may be stopped.
func TestFalseAlarms(t *testing.T) {
	t.Parallel()
	const rollouts = 3000
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // The same draws at each run.
	for _, tt := range []struct {
		errors    float64
		perSecond int
	}{{0.001, 10}, {0.02, 10}, {0.02, 100}, {0.2, 30}} {
		alarms := 0
		for range rollouts {
			if falseAlarm(random, tt.errors, tt.perSecond) {
				alarms++
			}
		}
		if alarms > rollouts/100 {
			t.Errorf("%v errors, %d requests/s: %d of %d were stopped for nothing", tt.errors, tt.perSecond, alarms, rollouts)
		}
		t.Logf("%v errors, %d requests/s: %d of %d were stopped for nothing", tt.errors, tt.perSecond, alarms, rollouts)
	}
}

func falseAlarm(random *rand.Rand, errors float64, perSecond int) bool {
	gates := Strategy{}.withDefaults(5).Gates
	var wave, others Figures
	for range 30 {
		for range perSecond {
			wave.Requests++
			others.Requests += 4
			if random.Float64() < errors {
				wave.Errors++
			}
			for range 4 {
				if random.Float64() < errors {
					others.Errors++
				}
			}
		}
		if gates.judge(wave, others.baseline(), "") != nil {
			return true
		}
	}
	return false
}

// TestFalseAlarmsOfTheTail does the same with latencies.
func TestFalseAlarmsOfTheTail(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // The same draws at each run.
	draw := func(n int) drawn {
		out := make(drawn, n)
		for i := range out {
			out[i] = time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))
		}
		return out
	}
	gates := Strategy{}.withDefaults(5).Gates
	alarms := 0
	for range 1000 {
		wave, others := draw(150), draw(150)
		f, b := Figures{Requests: 150, Latency: wave}, Figures{Requests: 150, Latency: others}.baseline()
		if gates.judge(f, b, "") != nil {
			alarms++
		}
	}
	if alarms > 10 {
		t.Errorf("%d of 1000 were stopped for nothing", alarms)
	}
	t.Logf("%d of 1000 were stopped for nothing", alarms)
}
