package authz_test

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gatehouse/gatehouse/authz"
)

// ready returns a service for the quickstart's route and a request that it allows.
func ready(tb testing.TB) (*authz.Service, *authv3.CheckRequest) {
	tb.Helper()
	rev := quickstart(tb)
	service := newService(patient)
	service.Use(compiled(tb, rev, nil))
	return service, envoyCheck(tb, rev.Routes[0].Rules, "GET", "/payments/alice?limit=10", aliceClaims())
}

// TestCheckAllocates holds the quickstart's Check to a budget: what it allocates is most of what it costs.
func TestCheckAllocates(t *testing.T) {
	const budget = 135 // 122, and a few of the race detector
	service, check := ready(t)
	got := testing.AllocsPerRun(200, func() {
		if response, err := service.Check(t.Context(), check); err != nil || response.GetOkResponse() == nil {
			t.Fatal(response, err)
		}
	})
	if got > budget {
		t.Errorf("a Check allocates %.0f times, the budget is %d", got, budget)
	}
}

func BenchmarkCheck(b *testing.B) {
	service, check := ready(b)
	b.ReportAllocs()
	for b.Loop() {
		if response, err := service.Check(b.Context(), check); err != nil || response.GetOkResponse() == nil {
			b.Fatal(response, err)
		}
	}
}

func BenchmarkCheckParallel(b *testing.B) {
	service, check := ready(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if response, err := service.Check(b.Context(), check); err != nil || response.GetOkResponse() == nil {
				b.Error(response, err)
				return
			}
		}
	})
}

func BenchmarkCompileOneRouteOf2000(b *testing.B) {
	rev := manyRoutes(2000)
	table := compiled(b, rev, nil)
	b.ReportAllocs()
	for b.Loop() {
		rev.Routes[7].Rules += "x"
		compiled(b, rev, table)
	}
}
