package gateway_test

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// bank returns the documents of an invented bank: one API of two operations, and a website.
func bank(t *testing.T) *gateway.Documents {
	t.Helper()
	return &gateway.Documents{
		Gateways: []*gateway.Gateway{{
			Name: "edge", Fleet: "edge",
			Listeners: []gateway.Listener{{Name: "http", Address: "0.0.0.0", Port: 8080, Hosts: []string{"*"}}},
			Timeouts:  gateway.Timeouts{Authorization: time.Second, Limits: time.Second},
		}},
		Upstreams: []*gateway.Upstream{{Name: "payments"}, {Name: "website"}},
		Issuers:   []*gateway.Issuer{{Name: "nordhaven", Issuer: "https://login.nordhaven.test"}},
		Policies:  []*gateway.Policy{{Name: "bank.payments", Source: "package bank.payments"}},
		APIs: []*gateway.API{
			{
				Kind: gateway.KindAPI, Name: "payments", Version: "v1", Team: "payments", Unlisted: gateway.Refuse,
				Expose:       []gateway.Exposure{{Gateway: "edge", Hosts: []string{"api.bank.test"}, Base: "/payments"}},
				To:           []gateway.Destination{{Upstream: "payments", Weight: 1}},
				Authenticate: &gateway.Authenticate{Any: []gateway.Proof{{JWT: "nordhaven"}}},
				Authorize:    []gateway.Authorization{{Policy: "bank.payments"}},
				Limits:       []gateway.Limit{{Name: "per-customer", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 5, Per: time.Minute}}}},
				Operations: []gateway.Operation{
					{ID: "getPayment", Match: gateway.Match{Methods: []string{"GET"}, Path: path(t, "/{id}")}, Field: "operations[0]"},
					{ID: "createPayment", Match: gateway.Match{Methods: []string{"POST"}, Path: path(t, "/")}, Field: "operations[1]"},
				},
			},
			{
				Kind: gateway.KindRoute, Name: "website", Unlisted: gateway.Forward,
				Expose:       []gateway.Exposure{{Gateway: "edge", Hosts: []string{"www.bank.test"}}},
				To:           []gateway.Destination{{Upstream: "website", Weight: 1}},
				Authenticate: &gateway.Authenticate{None: true},
				Operations:   []gateway.Operation{{ID: "website", Match: gateway.Match{Path: path(t, "/**")}, Field: "match"}},
			},
		},
	}
}

func path(t *testing.T, text string) gateway.Path {
	t.Helper()
	p, err := gateway.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// assemble assembles documents that must be without fault.
func assemble(t *testing.T, docs *gateway.Documents) *gateway.Revision {
	t.Helper()
	rev, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		t.Fatalf("assemble: %v", faults)
	}
	return rev
}

// names returns the names of a revision's routes.
func names(rev *gateway.Revision) []string {
	var out []string
	for _, r := range rev.Routes {
		out = append(out, r.Name)
	}
	return out
}
