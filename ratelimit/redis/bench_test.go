package redis_test

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// BenchmarkSpend spends one after another, and 64 at a time as an Envoy under load does, from new and from well-used buckets.
func BenchmarkSpend(b *testing.B) {
	s := open(b, needs.Redis(b), "", patience)
	windows := map[string]limiter.Window{
		"exact": {Limit: limiter.Entries, Per: time.Millisecond}, "slots": {Limit: 1 << 40, Per: 100 * time.Millisecond},
	}
	for name, w := range windows {
		for _, charges := range []int{1, 2} {
			for _, once := range []bool{false, true} {
				for _, at := range []int{1, 64} {
					b.Run(fmt.Sprintf("%s/charges=%d/once=%v/at=%d", name, charges, once, at), func(b *testing.B) {
						benchmark(b, s, w, charges, once, at)
					})
				}
			}
		}
	}
}

func benchmark(b *testing.B, s *redis.Store, w limiter.Window, n int, once bool, at int) {
	var calls atomic.Uint32
	b.ReportAllocs()
	b.SetParallelism(at)
	b.RunParallel(func(p *testing.PB) {
		charges, results := make([]ratelimit.Charge, n), make([]limiter.Result, n)
		for p.Next() {
			i := calls.Add(1)
			for j := range charges {
				charges[j] = ratelimit.Charge{Key: strconv.AppendInt([]byte("customer "), int64(i%100)+1000*int64(j), 10), Window: w, Cost: 1}
			}
			var err error
			if once {
				id := ratelimit.CallID{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i), byte(n)}
				_, _, err = s.SpendOnce(b.Context(), id, charges, results)
			} else {
				_, err = s.Spend(b.Context(), charges, results)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
