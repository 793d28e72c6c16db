package explain_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/explain"
)

// randomRevision draws a Gateway and routes whose paths, hosts and conditions stand close to one another.
func randomRevision(t *rapid.T) *gateway.Revision {
	g := &gateway.Gateway{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{
		Name: "http", Address: "127.0.0.1", Port: 8080,
		Hosts: rapid.SampledFrom([][]string{{"*"}, {"*.test"}, {"api.bank.test"}}).Draw(t, "served"),
	}}}
	rev := &gateway.Revision{Gateways: []*gateway.Gateway{g}}
	seen := map[string]bool{}
	for i := range rapid.IntRange(1, 12).Draw(t, "routes") {
		p, err := gateway.ParsePath(rapid.SampledFrom([]string{
			"/", "/**", "/pay", "/pay/", "/pay/**", "/pay/{id}", "/pay/{id}/**", "/payroll", "/{a}/x", "/pay/x{n}",
		}).Draw(t, "path"))
		if err != nil {
			t.Fatal(err)
		}
		r := &gateway.Route{
			Name: fmt.Sprintf("r%d", i), Action: gateway.ActionForward, Public: true, Gateway: g,
			Hosts: rapid.SampledFrom([][]string{{"api.bank.test"}, {"*.test"}, {"*"}, {"api.bank.test", "*"}}).Draw(t, "hosts"),
			Match: gateway.Match{Path: p, Methods: rapid.SampledFrom([][]string{nil, {"GET"}, {"GET", "POST"}}).Draw(t, "methods")},
		}
		if rapid.Bool().Draw(t, "header") {
			r.Match.Headers = []gateway.Condition{{Name: "x-beta", Value: rapid.SampledFrom([]string{"", "1"}).Draw(t, "header value")}}
		}
		if rapid.Bool().Draw(t, "query") {
			r.Match.Query = []gateway.Condition{{Name: "q", Value: rapid.SampledFrom([]string{"", "1"}).Draw(t, "query value")}}
		}
		if key := fmt.Sprint(r.Hosts, r.Match); !seen[key] { // Assemble refuses two that match the same.
			seen[key] = true
			rev.Routes = append(rev.Routes, r)
		}
	}
	return rev
}

// asked is a request of the property: its header and query parameter are there or not, with a value.
type asked struct {
	method, host, path string
	header, query      *string
}

// naive finds the route the slow way: of all that match, the one with the narrowest host and then the first in precedence.
func naive(rev *gateway.Revision, a asked) string {
	var best *gateway.Route
	bestHost := ""
	covers := func(h string) bool { return gateway.HostCovers(h, a.host) }
	if !slices.ContainsFunc(rev.Gateways[0].Listeners[0].Hosts, covers) {
		return ""
	}
	for _, r := range rev.Routes {
		i := slices.IndexFunc(r.Hosts, covers)
		m := &r.Match
		if i < 0 || !m.Path.Matches(a.path) || len(m.Methods) > 0 && !slices.Contains(m.Methods, a.method) ||
			!has(m.Headers, a.header) || !has(m.Query, a.query) {
			continue
		}
		if best == nil || cmp.Or(gateway.CompareHosts(r.Hosts[i], bestHost), gateway.ComparePrecedence(r, best)) < 0 {
			best, bestHost = r, r.Hosts[i]
		}
	}
	if best == nil {
		return ""
	}
	return best.Name
}

func has(conditions []gateway.Condition, value *string) bool {
	return !slices.ContainsFunc(conditions, func(c gateway.Condition) bool {
		return value == nil || c.Value != "" && c.Value != *value
	})
}

// TestExplainIsNaive holds the route that an explanation names against the naive search.
func TestExplainIsNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rev := randomRevision(t)
		one, two := "1", "2"
		value := rapid.SampledFrom([]*string{nil, &one, &two})
		for range 10 {
			a := asked{
				method: rapid.SampledFrom([]string{"GET", "POST", "PUT"}).Draw(t, "method"),
				host:   rapid.SampledFrom([]string{"api.bank.test", "www.bank.test", "bank.example"}).Draw(t, "host"),
				path:   rapid.SampledFrom([]string{"/", "/pay", "/pay/", "/pay/7", "/pay/x7", "/pay/7/lines", "/payroll", "/other/x"}).Draw(t, "path"),
				header: value.Draw(t, "header"), query: value.Draw(t, "query"),
			}
			q := explain.Query{Method: a.method, URL: "http://" + a.host + a.path, Headers: http.Header{}}
			if a.header != nil {
				q.Headers.Set("X-Beta", *a.header)
			}
			if a.query != nil {
				q.URL += "?q=" + *a.query
			}
			got, err := explain.Request(rev, q)
			if err != nil {
				t.Fatal(err)
			}
			if want := naive(rev, a); got.Route != want {
				t.Fatalf("%s %s %v is explained by %q, want %q: %s", q.Method, q.URL, q.Headers, got.Route, want, got.Why)
			}
		}
	})
}
