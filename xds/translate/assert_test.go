package translate

import (
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestKeysAreAsserted holds that a key which Envoy would pass over in silence is a fault before Envoy hears of it.
func TestKeysAreAsserted(t *testing.T) {
	t.Parallel()
	guarded := packed(guardOn(&gateway.Route{Public: true}))
	for _, test := range []struct {
		name string
		keys map[string]*anypb.Any
		want []string // What each fault says.
	}{
		{"as it should be", map[string]*anypb.Any{envoy.FilterGuard: guarded, envoy.FilterJWT: guarded, envoy.FilterRateLimitOpen: guarded}, nil},
		{"no guard", map[string]*anypb.Any{envoy.FilterJWT: guarded}, []string{"does not tell the guard what to do"}},
		{"nothing", nil, []string{"does not tell the guard what to do"}},
		{
			"misspelt",
			map[string]*anypb.Any{"gatehouse.guards": guarded, "Gatehouse.jwt": guarded},
			[]string{"configures the filter Gatehouse.jwt, which", "configures the filter gatehouse.guards, which", "does not tell the guard"},
		},
		{"a filter's type", map[string]*anypb.Any{envoy.FilterGuard: guarded, "envoy.filters.http.rbac": guarded}, []string{"the filter envoy.filters.http.rbac, which"}},
	} {
		place := gateway.Place{File: "bank.yaml", Line: 7, Column: 1}
		faults := newBuilder().checkKeys(&placedHost{
			host: &routev3.VirtualHost{Name: "edge~http/api.bank.test"}, origin: place,
			routes: []*routev3.Route{notFound(gateway.Headers{}), {Name: "payments/v1/read", TypedPerFilterConfig: test.keys}},
		})
		if len(faults) != len(test.want) {
			t.Errorf("%s: faults %v, want %d", test.name, faults, len(test.want))
			continue
		}
		for i, f := range faults {
			if f.Code != gateway.CodeTranslate || f.Place != place || !strings.Contains(f.Message, test.want[i]) ||
				!strings.Contains(f.Message, "route payments/v1/read of edge~http/api.bank.test") {
				t.Errorf("%s: fault %+v, want one that says %q", test.name, f, test.want[i])
			}
		}
	}
}

// TestFaultsOfKeysReachTheCaller holds that a fleet's translation asks for the assertion, for every virtual host.
func TestFaultsOfKeysReachTheCaller(t *testing.T) {
	t.Parallel()
	rev := issued("nordhaven")
	rev.Routes[0].Hosts = []string{"api.bank.test", "*"}
	b := newBuilder()
	delete(b.filters, envoy.FilterJWT) // As if a listener had lost it.
	out := &Resources{Fleet: "edge", Origins: map[string]gateway.Place{}, placed: map[string]*placedHost{}}
	faults := out.addGateway(b, rev.Gateways[0], rev.Routes, nil)
	if len(faults) != 2 {
		t.Errorf("faults %v, want one for each of two virtual hosts", faults)
	}
}
