package server

import (
	"slices"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// claims returns documents with one API for each name, all on the same paths, each with an Upstream of its own.
func claims(t *testing.T, names ...string) *gateway.Documents {
	t.Helper()
	one, err := gateway.ParsePath("/{id}")
	if err != nil {
		t.Fatal(err)
	}
	docs := &gateway.Documents{Gateways: []*gateway.Gateway{{
		Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}}},
	}}}
	for _, name := range names {
		docs.Upstreams = append(docs.Upstreams, &gateway.Upstream{Name: name})
		docs.APIs = append(docs.APIs, &gateway.API{
			Kind: gateway.KindAPI, Name: name, Version: "v1", Unlisted: gateway.Refuse,
			Expose:       []gateway.Exposure{{Gateway: "edge", Base: "/payments"}},
			To:           []gateway.Destination{{Upstream: name, Weight: 1}},
			Authenticate: &gateway.Authenticate{None: true},
			Operations:   []gateway.Operation{{ID: "get", Match: gateway.Match{Path: one}, Field: "operations[0]"}},
		})
	}
	return docs
}

// forwarded returns the names of the routes that reach an upstream.
func forwarded(c *compiled) []string {
	var names []string
	for _, r := range c.revision.Routes {
		if r.Action == gateway.ActionForward {
			names = append(names, r.Name)
		}
	}
	return names
}

// TestNobodyGetsAnothersRequests adds an API that claims the paths of another and comes first by name. Nothing may go to
// it: with a live revision the other serves on, without one nobody can tell whose the paths are.
func TestNobodyGetsAnothersRequests(t *testing.T) {
	t.Parallel()
	live, _, faults := propose(claims(t, "payments"), nil, files{}, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, test := range []struct {
		name   string
		before *compiled
		want   []string
	}{
		{"at a reload", live, []string{"payments/v1/get"}},
		{"at a start", nil, nil},
	} {
		next, substitutions, faults := propose(claims(t, "payments", "alias"), nil, files{}, test.before)
		if len(faults) > 0 || len(substitutions) != 2 {
			t.Fatalf("%s: substitutions %v, faults %v", test.name, substitutions, faults)
		}
		if got := forwarded(next); !slices.Equal(got, test.want) {
			t.Errorf("%s requests go to %v, want %v", test.name, got, test.want)
		}
	}
}

// TestRefusalNamesItsFaults changes a gateway so that neither an API nor its last good version can stand on it.
func TestRefusalNamesItsFaults(t *testing.T) {
	t.Parallel()
	live, _, faults := propose(claims(t, "payments"), nil, files{}, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	docs := claims(t, "payments")
	docs.Gateways[0].Name = "moved"
	_, _, faults = propose(docs, nil, files{}, live)
	if !slices.ContainsFunc(faults, func(f gateway.Fault) bool { return f.Code == gateway.CodeDangling }) {
		t.Errorf("the refusal does not tell that the gateway is missing: %v", faults)
	}
}
