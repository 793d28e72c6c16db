package authz_test

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// ready returns a service for the quickstart's route and a request that it allows.
func ready(tb testing.TB) (*authz.Service, *authv3.CheckRequest) {
	tb.Helper()
	rev := quickstart(tb)
	service := newService(patient)
	service.Use(compiled(tb, rev, nil))
	return service, envoyCheck(tb, rev.Routes[0].Rules, "GET", "/payments/alice?limit=10", aliceClaims())
}

// load is a Check that is measured: what it asks, and how often it may allocate, which is most of what it costs.
type load struct {
	name   string
	budget float64
	ready  func(testing.TB) (*authz.Service, *authv3.CheckRequest)
}

func loads() []load {
	of := func(source string, prepare func(*gateway.Policy)) func(testing.TB) (*authz.Service, *authv3.CheckRequest) {
		return func(tb testing.TB) (*authz.Service, *authv3.CheckRequest) {
			route := publicRoute("r", source)
			if prepare != nil {
				prepare(route.Authorize[0].Policy)
			}
			service := newService(patient)
			service.Use(compiled(tb, revision(route), nil))
			check := envoyCheck(tb, "r", "GET", "/payments/alice?limit=10", aliceClaims())
			check.Attributes.Request.Http.Headers["authorization"] = "Bearer " + hs256Token
			return service, check
		}
	}
	return []load{
		{"constant", 30, of("package a\nallow := true", nil)},
		{"role", 130, ready},
		{"hs256", 125, of(hs256Policy, nil)},
		{"data", 75, of("package a\nallow if data.tellers[input.gatehouse.operation] == input.attributes.request.http.method", func(p *gateway.Policy) {
			p.DataFiles = []gateway.DataFile{{At: "tellers", Sum: "1", JSON: []byte(`{"get": "GET"}`)}}
		})},
	}
}

// hs256Policy verifies a token by itself, as policies written for opa-envoy-plugin do.
const (
	hs256Policy = `package a
default allow := false
token := trim_prefix(input.attributes.request.http.headers.authorization, "Bearer ")
verified := io.jwt.decode_verify(token, {"secret": "correct-horse-battery-staple", "iss": "https://id.bank.test", "alg": "HS256"})
allow if { [ok, _, claims] := verified; ok; claims.role == "customer"; input.attributes.request.http.method == "GET" }`
	hs256Token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLmJhbmsudGVzdCIsInJvbGUiOiJjdXN0b21lciIsInN1YiI6ImFsaWNlIn0.oqkR1FCxqylPOx7_ib7IyzgwdtzpWJLarddhqvW61uU"
)

// TestCheckAllocates holds Checks to budgets. The race detector has a few of its own.
func TestCheckAllocates(t *testing.T) {
	for _, l := range loads() {
		t.Run(l.name, func(t *testing.T) {
			service, check := l.ready(t)
			got := testing.AllocsPerRun(200, func() {
				if response, err := service.Check(t.Context(), check); err != nil || response.GetOkResponse() == nil {
					t.Fatal(response, err)
				}
			})
			t.Logf("a Check allocates %.0f times, the budget is %.0f", got, l.budget)
			if raced {
				l.budget += 15
			}
			if got > l.budget {
				t.Errorf("a Check allocates %.0f times, the budget is %.0f", got, l.budget)
			}
		})
	}
}

// BenchmarkLoads measures them.
func BenchmarkLoads(b *testing.B) {
	for _, l := range loads() {
		b.Run(l.name, func(b *testing.B) {
			service, check := l.ready(b)
			b.ReportAllocs()
			for b.Loop() {
				if response, err := service.Check(b.Context(), check); err != nil || response.GetOkResponse() == nil {
					b.Fatal(response, err)
				}
			}
		})
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
