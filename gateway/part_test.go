package gateway_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestAssembleAfterIsAssemble changes one thing at a time, as a reload does: what did not change stays the same value, and
// what comes out is what assembling from nothing gives.
func TestAssembleAfterIsAssemble(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*gateway.Documents)
		kept   int // How many of the six routes are the same values.
	}{
		{"nothing", func(*gateway.Documents) {}, 6},
		{"an API", func(d *gateway.Documents) { api := *d.APIs[0]; api.Team = "other"; d.APIs[0] = &api }, 1},
		{"an upstream", func(d *gateway.Documents) {
			d.Upstreams[1] = &gateway.Upstream{Name: "website", Timeout: time.Second}
		}, 5},
		{"an issuer", func(d *gateway.Documents) {
			d.Issuers[0] = &gateway.Issuer{Name: "nordhaven", Issuer: "https://other.nordhaven.test"}
		}, 1},
		{"a policy", func(d *gateway.Documents) {
			d.Policies[0] = &gateway.Policy{Name: "bank.payments", Source: "package bank.payments\n"}
		}, 1},
		{"the gateway", func(d *gateway.Documents) { g := *d.Gateways[0]; g.Timeouts.Limits++; d.Gateways[0] = &g }, 0},
		{"an API less", func(d *gateway.Documents) { d.APIs = d.APIs[1:] }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			docs := bank(t)
			before := assemble(t, docs)
			test.change(docs)
			got, faults := gateway.AssembleAfter(docs, before, nil)
			if len(faults) > 0 {
				t.Fatalf("faults: %v", faults)
			}
			want := assemble(t, docs)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(gateway.Revision{}), cmp.AllowUnexported(gateway.Origin{})); diff != "" {
				t.Errorf("assembled after another (-from nothing +after):\n%s", diff)
			}
			kept := 0
			known := map[*gateway.Route]bool{}
			for _, r := range before.Routes {
				known[r] = true
			}
			for _, r := range got.Routes {
				if known[r] {
					kept++
				}
			}
			if kept != test.kept {
				t.Errorf("%d routes are the values of before, want %d", kept, test.kept)
			}
		})
	}
}

// TestAssembleAfterFindsFaults removes what an API refers to: it must not live on in what the API became before.
func TestAssembleAfterFindsFaults(t *testing.T) {
	docs := bank(t)
	before := assemble(t, docs)
	docs.Policies = nil
	if _, faults := gateway.AssembleAfter(docs, before, nil); len(faults) == 0 {
		t.Error("a policy is gone, and nothing is said")
	}
	docs = bank(t)
	before = assemble(t, docs)
	twin := *docs.APIs[1]
	twin.Name = "twin"
	docs.APIs = append(docs.APIs, &twin)
	if _, faults := gateway.AssembleAfter(docs, before, nil); len(faults) != 2 {
		t.Errorf("two routes match alike, faults: %v", faults)
	}
}
