package translate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestUnchangedHostsAreTakenOver translates twice, with one route replaced in between: a virtual host in which that route has
// no part stays the same value, the others are what a translation from nothing gives.
func TestUnchangedHostsAreTakenOver(t *testing.T) {
	t.Parallel()
	g := &gateway.Gateway{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}}}}
	route := func(host, operation string) *gateway.Route {
		return &gateway.Route{
			Name: "pay/v1/" + operation, Gateway: g, Hosts: []string{host}, Action: gateway.ActionForward, Public: true, Rules: operation,
			Match: gateway.Match{Path: gateway.Path{Prefix: true}}, Targets: []gateway.Target{{Upstream: &gateway.Upstream{Name: "pay"}, Weight: 1}},
		}
	}
	rev := func(routes ...*gateway.Route) *gateway.Revision {
		return &gateway.Revision{Gateways: []*gateway.Gateway{g}, Routes: routes}
	}
	one, two, wide := route("one.bank.test", "one"), route("two.bank.test", "two"), route("*.bank.test", "wide")
	first, _ := Fleet(rev(one, two, wide), nil, "edge", nil)
	same := func(next *gateway.Revision, want ...string) {
		t.Helper()
		got, _ := Fleet(next, nil, "edge", first)
		fresh, _ := Fleet(next, nil, "edge", nil)
		if diff := cmp.Diff(fresh.VirtualHosts, got.VirtualHosts, protocmp.Transform()); diff != "" {
			t.Errorf("virtual hosts (-from nothing +after):\n%s", diff)
		}
		var kept []string
		for _, vh := range got.VirtualHosts {
			for _, before := range first.VirtualHosts {
				if vh == before {
					kept = append(kept, vh.Domains[0])
				}
			}
		}
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
	}
	same(rev(one, two, wide), "one.bank.test", "two.bank.test", "*.bank.test", "*")
	same(rev(one, route("two.bank.test", "new"), wide), "one.bank.test", "*.bank.test", "*")
	same(rev(one, two, route("*.bank.test", "new")), "*")
	same(rev(one, wide), "one.bank.test", "*.bank.test", "*")
}
