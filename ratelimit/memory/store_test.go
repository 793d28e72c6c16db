package memory_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

func open(buckets int) (*memory.Store, *storetest.Clock) {
	clock := storetest.NewClock()
	return memory.New(memory.Options{Clock: clock.Now, Buckets: buckets}), clock
}

func TestStore(t *testing.T) {
	subject := func(*testing.T) storetest.Subject {
		s, clock := open(0)
		return storetest.Subject{Store: s, Advance: clock.Advance, Now: clock.Now}
	}
	storetest.Run(t, subject)
	storetest.RunKinds(t, subject)
	storetest.RunModes(t, subject)
	storetest.RunReturns(t, subject)
}

// spend spends 1 and says how that went.
func spend(t testing.TB, s *memory.Store, key string, w limiter.Window) (bool, limiter.Result) {
	t.Helper()
	var results [1]limiter.Result
	ok, err := s.Spend(t.Context(), []ratelimit.Charge{{Key: []byte(key), Window: w, Cost: 1}}, results[:])
	if err != nil {
		t.Fatal(err)
	}
	return ok, results[0]
}

func TestEmptyBucketsGoWithoutLoss(t *testing.T) {
	s, clock := open(100_000)
	w := limiter.Window{Limit: 5, Per: time.Minute}
	for i := range 500_000 { // 1,000 a second: 60,000 are alive at any time.
		if i%1_000 == 0 {
			clock.Advance(time.Second)
		}
		spend(t, s, fmt.Sprint(i), w)
	}
	if n := s.Evicted(); n > 0 {
		t.Errorf("%d buckets with something spent were dropped though two thirds of the room sufficed", n)
	}
	for i := range 40_000 {
		if i%10 == 0 {
			clock.Advance(time.Second)
		}
		spend(t, s, fmt.Sprint("later ", i), w)
	}
	if n := s.Buckets(); n > 2_000 {
		t.Errorf("%d buckets are held where 600 are alive", n)
	}
}

func TestRefusedRequestsAndLooksHoldNothing(t *testing.T) {
	s, _ := open(0)
	w := limiter.Window{Limit: 1, Per: time.Minute}
	spend(t, s, "alice", w)
	for i := range 1_000 {
		var results [2]limiter.Result
		charges := []ratelimit.Charge{{Key: fmt.Append(nil, i), Window: w, Cost: 1}, {Key: []byte("alice"), Window: w, Cost: 1}}
		if ok, _ := s.Spend(t.Context(), charges, results[:]); ok {
			t.Fatal("admitted")
		}
		charges[1].Cost, charges[0].Cost = 0, 0
		if _, err := s.Spend(t.Context(), charges, results[:]); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Buckets(); n != 1 {
		t.Errorf("%d buckets, want alice's", n)
	}
}

// flood spends once from each of many times more keys than the store can hold. The clock stands still.
func flood(t *testing.T, s *memory.Store, w limiter.Window) {
	t.Helper()
	for i := range 60_000 {
		spend(t, s, fmt.Sprint("invented ", i), w)
	}
	if s.Evicted() == 0 {
		t.Fatal("nothing was pushed out: the flood was none")
	}
}

// TestInventedKeys floods a full store: what those who came back have spent must not be forgotten, whatever limit the flood is
// under. Nearly, as a bucket goes by chance where all that the store looks at are worth something.
func TestInventedKeys(t *testing.T) {
	const customers = 200
	ten, one := limiter.Window{Limit: 10, Per: time.Minute}, limiter.Window{Limit: 1, Per: time.Minute}
	tests := map[string]struct {
		customers, flood limiter.Window
		requests         int // Of each customer.
	}{
		"customers have spent more than the flood":        {ten, ten, 4},
		"customers have spent a smaller part than others": {ten, one, 2},
		"customers are over the limit like the flood":     {one, one, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, _ := open(6_400)
			for range test.requests {
				for c := range customers {
					spend(t, s, fmt.Sprint("customer ", c), test.customers)
				}
			}
			flood(t, s, test.flood)
			if n := s.Buckets(); n > 6_400 {
				t.Errorf("%d buckets, at most 6400 were allowed", n)
			}
			spent, forgotten := min(int64(test.requests), test.customers.Limit), 0
			for c := range customers {
				charge := []ratelimit.Charge{{Key: fmt.Append(nil, "customer ", c), Window: test.customers}}
				var results [1]limiter.Result
				if _, err := s.Spend(t.Context(), charge, results[:]); err != nil {
					t.Fatal(err)
				}
				if results[0].Remaining > test.customers.Limit-spent {
					forgotten++
				}
			}
			if forgotten > customers/100 {
				t.Errorf("%d of %d customers are forgotten", forgotten, customers)
			}
		})
	}
}

// TestBucketsAreSmall measures what the package comment promises.
func TestBucketsAreSmall(t *testing.T) {
	const buckets = 20_000
	for spendings, most := range map[int]uint64{1: 250, limiter.Entries: 800} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s, clock := open(2 * buckets)
		for range spendings {
			clock.Advance(time.Second)
			for i := range buckets {
				spend(t, s, strconv.Itoa(i), limiter.Window{Limit: limiter.Entries, Per: time.Hour})
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if got := (after.HeapAlloc - before.HeapAlloc) / buckets; got > most {
			t.Errorf("a bucket of %d spendings takes %d bytes, at most %d may be", spendings, got, most)
		} else {
			t.Logf("a bucket of %d spendings takes %d bytes", spendings, got)
		}
		if s.Buckets() != buckets {
			t.Fatal("buckets are missing")
		}
	}
}

func BenchmarkSpend(b *testing.B) {
	for _, keys := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			s, _ := open(0)
			key := make([]byte, 60)
			charges := []ratelimit.Charge{{Key: key, Window: limiter.Window{Limit: 1 << 40, Per: time.Minute}, Cost: 1}}
			results := make([]limiter.Result, 1)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				binary.BigEndian.PutUint32(key, uint32(i%keys))
				if ok, _ := s.Spend(b.Context(), charges, results); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
	b.Run("new keys", func(b *testing.B) {
		s, _ := open(1 << 16)
		key := make([]byte, 60)
		charges := []ratelimit.Charge{{Key: key, Window: limiter.Window{Limit: 5, Per: time.Minute}, Cost: 1}}
		results := make([]limiter.Result, 1)
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			i++
			binary.BigEndian.PutUint64(key, uint64(i))
			if ok, _ := s.Spend(b.Context(), charges, results); !ok {
				b.Fatal("refused")
			}
		}
	})
}
