//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
)

// routingDocuments tell requests apart by all there is, and do with them all there is.
const routingDocuments = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
pages:
  - {status: 4xx, body: "<h1>No</h1>", type: text/html}
  - {status: 503, file: ./away.html}
---
kind: Upstream
name: blue
endpoints: [{address: "${BLUE}"}]
---
kind: Upstream
name: green
endpoints: [{address: "${GREEN}"}]
---
kind: Upstream
name: copies
endpoints: [{address: "${COPIES}"}]
---
kind: Upstream
name: nobody
endpoints: pushed
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks: {inline: ${KEYS}}
---
kind: Policy
name: asking
rego: |
  package asking
  allow if lower(input.attributes.request.http.method) == "get"
---
kind: API
name: match
version: v1
expose: [{gateway: edge, base: /match}]
to: blue
authenticate: none
headers: {response: {set: {x-route: "{route}"}}}
operations:
  - {id: any, path: /x}
  - {id: header, path: /x, match: {headers: {x-a: "1"}}}
  - {id: header-prefix, path: /x, match: {headers: {x-a: {prefix: be}}}}
  - {id: header-longer, path: /x, match: {headers: {x-a: {prefix: beta}}}}
  - {id: header-regex, path: /x, match: {headers: {x-a: {regex: "[0-9]+"}}}}
  - {id: header-absent, path: /x, match: {headers: {x-a: {absent: true}}, query: {only: {present: true}}}}
  - {id: cookie, path: /x, match: {cookies: {tier: gold}}}
  - {id: cookie-prefix, path: /x, match: {cookies: {tier: {prefix: pl}}}}
  - {id: cookie-present, path: /x, match: {cookies: {seen: {present: true}}}}
  - {id: cookie-absent, path: /y, match: {cookies: {seen: {absent: true}}}}
  - {id: query-regex, path: /x, match: {query: {q: {regex: "[0-9]+"}}}}
  - {id: query-prefix, path: /x, match: {query: {q: {prefix: ab}}}}
---
kind: API
name: versions
version: v1
expose: [{gateway: edge, base: /versions, by: header, default: true}]
to: blue
authenticate: none
operations: [{id: get, method: GET, path: "/{id}"}]
---
kind: API
name: versions
version: v2
expose: [{gateway: edge, base: /versions, by: header}]
to: green
authenticate: none
operations: [{id: get, method: GET, path: "/{id}"}]
---
kind: API
name: acts
version: v1
expose: [{gateway: edge, base: /acts}]
to: blue
authenticate: none
rewrite: {prefix: /inner}
pages: [{status: 418, body: "tea", upstream: true}]
operations:
  - {id: plain, path: /plain}
  - {id: template, path: "/items/{id}/of/{owner}", rewrite: {path: "/v2/{owner}/{id}", host: inner.bank.test}}
  - {id: part, path: "/parts/p{id}", rewrite: {path: "/p/{id}"}}
  - {id: rest, path: "/tree/**", rewrite: {prefix: /branches}}
  - {id: root, path: "/top/**", rewrite: {prefix: /}}
  - {id: groups, path-regex: "/g/([0-9]+)/(?P<rest>.*)", rewrite: {path: "/b/{rest}/{1}"}}
  - {id: mirrored, path: /mirrored, mirror: copies, rewrite: {path: /copied}}
  - {id: rarely, path: /rarely, mirror: [{upstream: copies, percent: 0%}]}
  - {id: redirected, path: "/old/**", redirect: {scheme: https, host: www.bank.test, port: 8443, prefix: /new, status: 301, query: strip}}
  - {id: moved, path: "/moved/{id}", redirect: "/acts/items/{id}"}
  - {id: hours, path: /hours, respond: {status: 203, body: "9 to 5"}, headers: {response: {set: {x-door: open}}}}
  - {id: closed, path: /closed, respond: {status: 503, body: "shut"}}
  - {id: large, path: /large, respond: {file: ./large.txt}}
  - {id: away, path: /away, to: nobody}
  - {id: guarded-redirect, path: /guarded/redirect, redirect: /acts/hours, authenticate: {jwt: nordhaven}}
  - {id: guarded-respond, path: /guarded/respond, respond: {body: in}, authenticate: {jwt: nordhaven}, authorize: asking}
  - {id: limited-respond, path: /limited/respond, respond: {body: in}, limits: [{name: once, limit: 1, per: 1h}]}
---
kind: Route
name: shared
expose: [{gateway: edge}]
match: {path: "/shared/**"}
to: [{upstream: blue, weight: 3}, {upstream: green, weight: 1}]
split: {header: X-Tenant}
authenticate: none
`

// routingWorld starts a daemon and an Envoy on the routing documents. What arrives at the upstream "copies" comes through the channel.
func routingWorld(t *testing.T) (*world, <-chan *http.Request) {
	t.Helper()
	blue, _ := backend(t, "blue", "")
	green, _ := backend(t, "green", "")
	copies := make(chan *http.Request, 16)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { copies <- r }))
	t.Cleanup(sink.Close)
	w := newWorld(t, map[string]string{
		"bank.yaml": routingDocuments, "away.html": "<h1>Away</h1>", "large.txt": strings.Repeat("x", 128<<10),
	}, map[string]string{"BLUE": blue, "GREEN": green, "COPIES": strings.TrimPrefix(sink.URL, "http://"), "KEYS": quickstartKeys(t)})
	w.startEnvoy("edge", "edge-1")
	return w, copies
}

// TestRouting shows by real traffic what requests are told apart by, and what becomes of them.
func TestRouting(t *testing.T) {
	t.Parallel()
	w, copies := routingWorld(t)
	t.Run("conditions", func(t *testing.T) { routingConditions(t, w) })
	t.Run("versions", func(t *testing.T) { routingVersions(t, w) })
	t.Run("rewrite", func(t *testing.T) { routingRewrites(t, w) })
	t.Run("answers", func(t *testing.T) { routingAnswers(t, w) })
	t.Run("guarded answers", func(t *testing.T) { routingGuarded(t, w) })
	t.Run("pages", func(t *testing.T) { routingPages(t, w) })
	t.Run("mirror", func(t *testing.T) { routingMirror(t, w, copies) })
	t.Run("split", func(t *testing.T) { routingSplit(t, w) })
}

// routingConditions asks for one path in many ways, and holds that the explanation and the traffic name the same route.
func routingConditions(t *testing.T, w *world) {
	for _, p := range []struct {
		target  string
		headers []string
		want    string
	}{
		{"/match/x", nil, "any"},
		{"/match/x", []string{"x-a: 1"}, "header"},
		{"/match/x", []string{"x-a: 2", "x-a: 1"}, "header"},
		{"/match/x", []string{"x-a: 12"}, "header-regex"},
		{"/match/x", []string{"x-a: bet"}, "header-prefix"},
		{"/match/x", []string{"x-a: betas"}, "header-longer"},
		{"/match/x?only", nil, "header-absent"},
		{"/match/x?only", []string{"x-a: other"}, "any"},
		{"/match/x", []string{"cookie: a=b; tier=gold"}, "cookie"},
		{"/match/x", []string{"cookie: tier=lead; tier=gold"}, "any"},
		{"/match/x", []string{`cookie: tier="platinum"`}, "cookie-prefix"},
		{"/match/x", []string{"cookie: seen="}, "cookie-present"},
		{"/match/x", []string{"cookie: seen"}, "any"},
		{"/match/y", nil, "cookie-absent"},
		{"/match/y", []string{"cookie: seen=1"}, "unlisted"},
		{"/match/x?q=12", nil, "query-regex"},
		{"/match/x?q=12a", nil, "any"},
		{"/match/x?q=abc&q=1", nil, "query-prefix"},
	} {
		headers := http.Header{}
		for _, h := range p.headers {
			name, value, _ := strings.Cut(h, ": ")
			headers.Add(name, value)
		}
		told, err := w.admin().Explain(t.Context(), admin.Query{Method: "GET", URL: w.url("PORT", p.target), Headers: headers})
		if err != nil {
			t.Fatal(err)
		}
		if want := "match/v1/" + p.want; told.Route != want {
			t.Errorf("%s %v is explained by %s, want %s", p.target, p.headers, told.Route, want)
		}
		if a := w.get(w.url("PORT", p.target), p.headers...); a.header.Get("x-route") != "match/v1/"+p.want && (p.want != "unlisted" || a.status != 404) {
			t.Errorf("%s %v went by %s, want %s", p.target, p.headers, a.header.Get("x-route"), p.want)
		}
	}
}

func routingVersions(t *testing.T, w *world) {
	for _, p := range []struct {
		headers []string
		status  int
		want    string
	}{
		{nil, 200, "blue"}, {[]string{"x-api-version: v1"}, 200, "blue"}, {[]string{"x-api-version: v2"}, 200, "green"}, {[]string{"x-api-version: v3"}, 404, ""},
	} {
		a := w.get(w.url("PORT", "/versions/7"), p.headers...)
		if a.status != p.status {
			t.Errorf("%v: %d, want %d", p.headers, a.status, p.status)
			continue
		}
		if p.status == 200 {
			if got := a.echoed(t); got.Name != p.want || got.Path != "/7" || a.header.Get("vary") != "x-api-version" {
				t.Errorf("%v: %s %s, Vary %q, want %s", p.headers, got.Name, got.Path, a.header.Get("vary"), p.want)
			}
		}
	}
	for _, h := range []string{"x-api-version: v1", "x-api-version: v2"} {
		if a, err := w.do("DELETE", w.url("PORT", "/versions/7"), h); err != nil || a.status != 405 {
			t.Errorf("DELETE with %s: %+v %v, want 405", h, a, err)
		}
	}
}

func routingRewrites(t *testing.T, w *world) {
	for _, p := range []struct{ target, path, host string }{
		{"/acts/plain?a=b%20c", "/inner/plain", ""},
		{"/acts/items/7/of/alice?a=b%20c", "/v2/alice/7", "inner.bank.test"},
		{"/acts/parts/p7?a=b%20c", "/p/7", ""},
		{"/acts/tree?a=b%20c", "/branches", ""},
		{"/acts/tree/a/b?a=b%20c", "/branches/a/b", ""},
		{"/acts/top?a=b%20c", "/", ""},
		{"/acts/top/a?a=b%20c", "/a", ""},
		{"/acts/g/12/x/y?a=b%20c", "/b/x/y/12", ""},
	} {
		a := w.get(w.url("PORT", p.target))
		got := a.echoed(t)
		if got.Path != p.path || got.Query != "a=b%20c" || p.host != "" && got.Host != p.host {
			t.Errorf("%s: the upstream was asked for %s%s?%s, want %s%s", p.target, got.Host, got.Path, got.Query, p.host, p.path)
		}
		for name := range a.header {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-envoy-original") || strings.HasPrefix(lower, "x-gatehouse-") {
				t.Errorf("%s: the client gets %s", p.target, name)
			}
		}
		told, err := w.admin().Explain(t.Context(), admin.Query{Method: "GET", URL: w.url("PORT", p.target), Headers: nil})
		if err != nil || told.Path != p.path || told.Host != p.host {
			t.Errorf("%s: explained as %q at %q, want %q: %v", p.target, told.Path, told.Host, p.path, err)
		}
	}
	for _, target := range []string{"/acts/parts/p..", "/acts/parts/p..;x", "/acts/g/12/..x", "/acts/parts/p%2e%2e", "/acts/g/12/x.."} {
		if a := w.get(w.url("PORT", target)); a.status != 403 {
			t.Errorf("%s: %d %s, want 403, as dots could become a segment", target, a.status, a.body)
		}
	}
}

func routingAnswers(t *testing.T, w *world) {
	for _, p := range []struct {
		target   string
		status   int
		location string
		body     string
	}{
		{"/acts/old/a/b?q=1", 301, "https://www.bank.test:8443/new/a/b", ""},
		{"/acts/old", 301, "https://www.bank.test:8443/new", ""},
		{"/acts/moved/7?q=1", 307, w.url("PORT", "/acts/items/7?q=1"), ""},
		{"/acts/hours", 203, "", "9 to 5"},
		{"/acts/closed", 503, "", "shut"},
	} {
		a := w.get(w.url("PORT", p.target))
		if a.status != p.status || a.header.Get("location") != p.location || a.body != p.body {
			t.Errorf("%s: %d %q %q, want %+v", p.target, a.status, a.header.Get("location"), a.body, p)
		}
		told, err := w.admin().Explain(t.Context(), admin.Query{Method: "GET", URL: w.url("PORT", p.target), Headers: nil})
		where, _, _ := strings.Cut(p.location, "?")
		if err != nil || strings.Replace(told.Location, "SCHEME", "http", 1) != where || !strings.HasSuffix(told.Action, fmt.Sprint(p.status)) {
			t.Errorf("%s: explained as %s to %q, want %q: %v", p.target, told.Action, told.Location, where, err)
		}
	}
	if a := w.get(w.url("PORT", "/acts/hours")); a.header.Get("content-type") != "text/plain; charset=utf-8" || a.header.Get("x-door") != "open" {
		t.Errorf("headers of an answer: %v", a.header)
	}
	if a := w.get(w.url("PORT", "/acts/large")); a.status != 200 || len(a.body) != 128<<10 {
		t.Errorf("the largest body: %d, %d bytes", a.status, len(a.body))
	}
}

func routingGuarded(t *testing.T, w *world) {
	alice := token(t, map[string]any{"sub": "alice"})
	for _, p := range []struct {
		method, target string
		headers        []string
		status         int
	}{
		{"GET", "/acts/guarded/redirect", nil, 401},
		{"GET", "/acts/guarded/redirect", []string{alice}, 307},
		{"GET", "/acts/guarded/respond", nil, 401},
		{"POST", "/acts/guarded/respond", []string{alice}, 403},
		{"GET", "/acts/guarded/respond", []string{alice}, 200},
		{"GET", "/acts/limited/respond", nil, 200},
		{"GET", "/acts/limited/respond", nil, 429},
	} {
		if a, err := w.do(p.method, w.url("PORT", p.target), p.headers...); err != nil || a.status != p.status {
			t.Errorf("%s %s: %d %s %v, want %d", p.method, p.target, a.status, a.body, err, p.status)
		}
	}
}

func routingPages(t *testing.T, w *world) {
	for _, p := range []struct {
		target  string
		headers []string
		status  int
		kind    string
		body    string
	}{
		{"/nowhere", nil, 404, "text/html", "<h1>No</h1>"},
		{"/acts/nowhere", nil, 404, "text/html", "<h1>No</h1>"},
		{"/acts/guarded/redirect", nil, 401, "text/html", "<h1>No</h1>"},
		{"/acts/away", nil, 503, "text/html; charset=utf-8", "<h1>Away</h1>"},
		{"/acts/nowhere", []string{"content-type: application/grpc"}, 200, "application/grpc", ""},
	} {
		a := w.get(w.url("PORT", p.target), p.headers...)
		if a.status != p.status || a.header.Get("content-type") != p.kind || a.body != p.body {
			t.Errorf("%s: %d %q %q, want %+v", p.target, a.status, a.header.Get("content-type"), a.body, p)
		}
	}
	if a := w.get(w.url("PORT", "/acts/away")); a.header.Get("retry-after") == "" {
		t.Errorf("a page takes Retry-After away: %v", a.header)
	}
}

func routingMirror(t *testing.T, w *world, copies <-chan *http.Request) {
	w.get(w.url("PORT", "/acts/rarely"))
	if a := w.get(w.url("PORT", "/acts/mirrored?n=1")); a.echoed(t).Name != "blue" {
		t.Errorf("the answer is not the upstream's: %+v", a)
	}
	select {
	case r := <-copies:
		if r.URL.String() != "/copied?n=1" {
			t.Errorf("the copy asks for %s, want /copied?n=1, and nothing of what 0%% gets", r.URL)
		}
	case <-time.After(patience):
		t.Error("no copy arrived")
	}
}

// routingSplit holds that requests of one tenant stay with one upstream, that the shares are about as said, and that a change of
// the weights moves nobody but from the one that lost to the one that gained.
func routingSplit(t *testing.T, w *world) {
	const tenants = 120
	dealt := func() map[string]string {
		out := map[string]string{}
		for i := range tenants {
			name := fmt.Sprintf("tenant-%d", i)
			out[name] = w.get(w.url("PORT", "/shared/x"), "x-tenant: "+name).echoed(t).Name
		}
		return out
	}
	count := func(m map[string]string, name string) (n int) {
		for _, v := range m {
			if v == name {
				n++
			}
		}
		return n
	}
	first := dealt()
	if n := count(first, "green"); n < 10 || n > 50 {
		t.Errorf("%d of %d tenants are at green, which has a quarter", n, tenants)
	}
	if again := dealt(); !maps.Equal(first, again) {
		t.Error("tenants do not stay where they are")
	}
	w.write("bank.yaml", strings.Replace(routingDocuments, "{upstream: blue, weight: 3}, {upstream: green, weight: 1}", "{upstream: green, weight: 50}, {upstream: blue, weight: 50}", 1))
	var after map[string]string
	w.eventually("more tenants are at green", func() bool {
		after = dealt()
		return count(after, "green") >= 35
	})
	for name, where := range first {
		if where == "green" && after[name] != "green" {
			t.Errorf("%s was moved from green, which gained", name)
		}
	}
}
