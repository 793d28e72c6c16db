package memory_test

import (
	"encoding/binary"
	"fmt"
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
	storetest.Run(t, func(*testing.T) storetest.Subject {
		s, clock := open(0)
		return storetest.Subject{Store: s, Advance: clock.Advance}
	})
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

// TestInventedKeys floods a store with four times the keys that it can hold, while customers go on and an offender is over
// the limit: what these have spent must not be forgotten.
func TestInventedKeys(t *testing.T) {
	const buckets, customers, flood = 12_800, 200, 1_000
	s, clock := open(buckets)
	w := limiter.Window{Limit: 10, Per: time.Minute}
	spent := make([][]time.Time, customers)
	for range 10 {
		spend(t, s, "offender", w)
	}
	invented, passed := 0, 0
	for second := range 59 {
		clock.Advance(time.Second)
		for range flood {
			invented++
			spend(t, s, fmt.Sprint("invented ", invented), w)
		}
		for c := range customers {
			if (second+c)%7 == 0 {
				if ok, _ := spend(t, s, fmt.Sprint("customer ", c), w); ok {
					spent[c] = append(spent[c], clock.Now())
				}
			}
		}
		if ok, _ := spend(t, s, "offender", w); ok {
			passed++
		}
	}
	if n := s.Buckets(); n > buckets {
		t.Errorf("%d buckets, at most %d were allowed", n, buckets)
	}
	if s.Evicted() == 0 {
		t.Error("nothing was pushed out: the flood was none")
	}
	if passed > 0 {
		t.Errorf("the offender passed %d times", passed)
	}
	forgotten := 0
	for c := range customers {
		_, r := spend(t, s, fmt.Sprint("customer ", c), w)
		forgotten += max(int(r.Remaining)-(10-len(spent[c])-1), 0)
	}
	if forgotten > customers/20 {
		t.Errorf("%d spendings of %d customers are forgotten", forgotten, customers)
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
