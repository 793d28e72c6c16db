package posture_test

import (
	"fmt"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/posture"
)

// BenchmarkFindings looks over 5,000 routes: one API of a thousand operations, and four thousand of one.
func BenchmarkFindings(b *testing.B) {
	docs := &gateway.Documents{
		Gateways:  []*gateway.Gateway{{Name: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "0.0.0.0", Port: 80, Hosts: []string{"api.bank.test"}}}}},
		Upstreams: []*gateway.Upstream{{Name: "payments", Endpoints: []gateway.Endpoint{{Address: "10.0.0.1:9001"}}}},
	}
	add := func(name string, operations int) {
		api := &gateway.API{
			Kind: gateway.KindAPI, Name: name, Version: "v1", Expose: []gateway.Exposure{{Gateway: "edge", Base: "/" + name}}, Team: name,
			To: []gateway.Destination{{Upstream: "payments", Weight: 1}}, Authenticate: &gateway.Authenticate{None: true},
		}
		for i := range operations {
			path, err := gateway.ParsePath(fmt.Sprintf("/o%d/{id}", i))
			if err != nil {
				b.Fatal(err)
			}
			api.Operations = append(api.Operations, gateway.Operation{ID: fmt.Sprint("o", i), Match: gateway.Match{Methods: []string{"GET"}, Path: path}})
		}
		docs.APIs = append(docs.APIs, api)
	}
	add("large", 1000)
	for i := range 4000 {
		add(fmt.Sprint("small", i), 1)
	}
	rev, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	for name, look := range map[string]func(posture.Subject) []posture.Finding{"posture": posture.Findings, "lint": posture.Lint} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if len(look(posture.Subject{Revision: rev})) < 4000 {
					b.Fatal("too few findings")
				}
			}
		})
	}
}
