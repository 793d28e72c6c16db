package translate

import (
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// issued returns a revision with one route that takes tokens of one issuer.
func issued(issuer string) *gateway.Revision {
	g := &gateway.Gateway{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}}}}
	return &gateway.Revision{Gateways: []*gateway.Gateway{g}, Routes: []*gateway.Route{{
		Name: "bank/v1/get", Gateway: g, Hosts: []string{"*"}, Action: gateway.ActionForward,
		Match:   gateway.Match{Path: gateway.Path{Prefix: true}},
		Ways:    []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Name: issuer, Issuer: "https://" + issuer + ".test"}}}},
		Targets: []gateway.Target{{Upstream: &gateway.Upstream{Name: "bank"}, Weight: 1}},
	}}}
}

// TestRequirementsOutliveReloads reloads several times while an Envoy may still have the first routes: what these need must
// be there. It does not stay for ever.
func TestRequirementsOutliveReloads(t *testing.T) {
	first := issued("first")
	needed := newBuilder().requirement(first.Routes[0])
	out, _ := Fleet(first, nil, "edge", nil)
	for reload := range keptTranslations {
		out, _ = Fleet(issued("second"), nil, "edge", out)
		requirement := out.JWT.RequirementMap[needed]
		if requirement == nil || out.JWT.Providers[requirement.GetProviderName()] == nil {
			t.Fatalf("after reload %d the first routes refuse everybody", reload+1)
		}
	}
	out, _ = Fleet(issued("second"), nil, "edge", out)
	if len(out.JWT.RequirementMap) != 1 || len(out.JWT.Providers) != 1 {
		t.Errorf("after %d reloads: requirements %v, providers %v", keptTranslations+1, out.JWT.RequirementMap, out.JWT.Providers)
	}
	// What is used again is as new.
	out, _ = Fleet(first, nil, "edge", out)
	if out.requirements[needed] != 0 || len(out.JWT.RequirementMap) != 2 {
		t.Errorf("used again: %v", out.requirements)
	}
}
