package authz_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/authz"
)

// BenchmarkReduce measures the reduction of 2,000 policies: cold, and where all are known but what a reload asks of one.
func BenchmarkReduce(b *testing.B) {
	rev := manyRoutes(2000)
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			r := authz.NewReducer()
			for _, p := range rev.Policies {
				r.Reduce(p, nil)
			}
		}
	})
	b.Run("known", func(b *testing.B) {
		r := authz.NewReducer()
		for _, p := range rev.Policies {
			r.Reduce(p, nil)
		}
		for b.Loop() {
			r.Reduce(rev.Policies[7], nil)
		}
	})
}
