//go:build e2e

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// parts is an API each of whose limits is counted in two ways: by a rate limit call under /call, by a Check under /check. As the
// limits have documents of their own, both ways count in the same buckets.
func parts(limits map[string]string) string {
	var text strings.Builder
	text.WriteString(`
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
timeouts: {authorization: 2s, limits: 2s}
trust: {hops: 1}
---
kind: Upstream
name: bank
endpoints: [{address: "${FIRST}"}]
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks: {file: ./keys.json}
---
kind: Policy
name: anybody
rego: |
  package anybody
  default allow := false
  allow if count(input.attributes.request.http.headers) > 0
`)
	operations := ""
	for name, limit := range limits {
		fmt.Fprintf(&text, "---\nkind: Limit\nname: %s\n%s\n", name, limit)
		operations += fmt.Sprintf(`
  - {id: call-%[1]s, path: "/call/%[1]s/{account}", limits: [%[1]s]}
  - {id: check-%[1]s, path: "/check/%[1]s/{account}", limits: [%[1]s], authorize: [anybody]}`, name)
	}
	text.WriteString("---\nkind: API\nname: bank\nversion: v1\nexpose: [{gateway: edge}]\nauthenticate: {jwt: nordhaven}\nto: bank\noperations:" + operations + "\n")
	return text.String()
}

// limitWays are the two ways in which limits are counted.
func limitWays() []string { return []string{"/call/", "/check/"} }

// TestLimitKeys counts by everything that a limit can be counted by: requests of one value share a bucket, whichever way they went,
// and those of another have their own.
func TestLimitKeys(t *testing.T) {
	t.Parallel()
	keys := map[string]string{
		"consumer": "consumer", "application": "application", "header": "header.x-till", "query": "query.branch", "path": "path.account",
		"address": "client.address", "claim": "token.bank.branch", "several": "[path.account, query.branch, consumer]",
	}
	limits := map[string]string{}
	for name, key := range keys {
		limits[name] = "key: " + key + "\nlimit: 4\nper: 1h"
	}
	w := oneHopWorld(t, parts(limits))
	w.startEnvoy("edge", "edge-1")
	alice := map[string]any{"sub": "alice", "client_id": "app", "bank": map[string]any{"branch": "nord"}}
	bob := map[string]any{"sub": "bob", "azp": "other", "bank": map[string]any{"branch": "süd"}}
	robot := map[string]any{"client_id": "robot"}
	for name, others := range map[string][]struct {
		claims  map[string]any
		path    string
		headers []string
	}{
		"consumer":    {{alice, "1", nil}, {bob, "1", nil}, {robot, "1", nil}},
		"application": {{alice, "1", nil}, {bob, "1", nil}},
		"header":      {{alice, "1", []string{"x-till: 1"}}, {alice, "1", []string{"x-till: 2"}}, {alice, "1", nil}, {alice, "1", []string{"x-till: "}}},
		"query":       {{alice, "1?branch=a%20b", nil}, {alice, "1?branch=a+b", nil}, {alice, "1", nil}, {alice, "1?branch=", nil}, {alice, "1?x=1&branch=b&branch=c", nil}},
		"path":        {{alice, "1", nil}, {alice, "2?branch=1", nil}, {alice, "a%20b", nil}},
		"address":     {{alice, "1", []string{"x-forwarded-for: 192.0.2.1"}}, {alice, "1", []string{"x-forwarded-for: 2001:db8::1"}}},
		"claim":       {{alice, "1", nil}, {bob, "1", nil}, {robot, "1", nil}},
		"several":     {{alice, "1?branch=2", nil}, {alice, "1", nil}, {bob, "1?branch=2", nil}, {alice, "12", nil}},
	} {
		for i, c := range others {
			headers := append([]string{token(t, c.claims)}, c.headers...)
			for n := range 6 {
				want := 200
				if n > 3 {
					want = 429
				}
				if a := w.get(w.url("PORT", limitWays()[n%2]+name+"/"+c.path), headers...); a.status != want {
					t.Errorf("%s, value %d, request %d: %d, want %d: %s", name, i, n+1, a.status, want, a.body)
				}
			}
		}
	}
}

// TestLimitConditions counts only requests for which conditions hold, in both ways.
func TestLimitConditions(t *testing.T) {
	t.Parallel()
	w := oneHopWorld(t, parts(map[string]string{
		"header": "when: {headers: [{header: x-tier, is: [free, trial+]}, {header: x-any}]}\nlimit: 2\nper: 1h",
		"query":  "when: {query: {dry: {present: true}, kind: a b}}\nlimit: 2\nper: 1h",
		"claim":  "when: {claims: [{claim: tier, is: [gold, \"7\", \"true\"]}]}\nlimit: 2\nper: 1h\nkey: consumer",
	}))
	w.startEnvoy("edge", "edge-1")
	tier := func(v any) map[string]any { return map[string]any{"sub": fmt.Sprintf("of %v", v), "tier": v} }
	for i, c := range []struct {
		path    string
		claims  map[string]any
		headers []string
		counts  bool
	}{
		{"header/1", tier(nil), []string{"x-tier: paid", "x-any: 1"}, false},
		{"header/1", tier(nil), []string{"x-tier: free"}, false},
		{"header/1", tier(nil), []string{"x-tier: free", "x-tier: free", "x-any: 1"}, false},
		{"header/1", tier(nil), []string{"x-tier: trial+", "x-any: 1"}, true},
		{"query/1?dry&kind=a", tier(nil), nil, false},
		{"query/1?kind=a%20b", tier(nil), nil, false},
		{"query/1?dry=&kind=a%20b&kind=c", tier(nil), nil, true},
		{"claim/1", tier(nil), nil, false},
		{"claim/1", tier("silver"), nil, false},
		{"claim/1", tier("gold"), nil, true},
		{"claim/1", tier(7), nil, true},
		{"claim/1", tier(true), nil, true},
		{"claim/1", tier([]any{"x", "gold"}), nil, true},
	} {
		headers := append([]string{token(t, c.claims)}, c.headers...)
		for n := range 4 {
			want := 200
			if c.counts && n > 1 {
				want = 429
			}
			if a := w.get(w.url("PORT", limitWays()[n%2]+c.path), headers...); a.status != want {
				t.Errorf("case %d, %s, request %d: %d, want %d: %s", i, c.path, n+1, a.status, want, a.body)
			}
		}
	}
}

// units answers with a body of some size and a header that says what it costs, as the query says.
func units(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if cost := r.URL.Query().Get("cost"); cost != "" {
			w.Header().Set("x-units", cost)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.Query().Get("size"))))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// TestLimitCosts spends what requests and responses cost, in both ways.
func TestLimitCosts(t *testing.T) {
	t.Parallel()
	documents := parts(map[string]string{
		"number":   "key: consumer\nlimit: 10\nper: 1h\ncost: 4",
		"header":   "key: consumer\nlimit: 10\nper: 1h\ncost: {header: x-cost}",
		"claim":    "key: consumer\nlimit: 10\nper: 1h\ncost: {claim: billing.units}",
		"body":     "key: consumer\nlimit: 10\nper: 1h\ncost: {body: size, per: 1KiB}",
		"said":     "key: [consumer, header.x-till]\nlimit: 10\nper: 1h\ncost: {response-header: x-units}",
		"response": "key: [consumer, path.account]\nlimit: 10\nper: 1h\ncost: {response: size, per: 4B}",
	})
	w := oneHopWorld(t, documents+"headers: {request: {remove: [x-till]}}\n")
	w.write("bank.yaml", strings.ReplaceAll(string(w.read("bank.yaml")), w.values["FIRST"], units(t)))
	w.startEnvoy("edge", "edge-1")
	for i, c := range []struct {
		path    string
		body    io.Reader
		headers []string
		passes  int
	}{
		{"number/1", nil, nil, 2},
		{"header/1", nil, []string{"x-cost: 3"}, 3},
		{"header/1", nil, []string{"x-cost: many"}, 10},
		{"header/1", nil, nil, 10},
		{"claim/1", nil, nil, 3}, // 2.5 is begun, and so 3.
		{"body/1", strings.NewReader(strings.Repeat("x", 4100)), nil, 2},
		{"body/1", io.MultiReader(strings.NewReader(strings.Repeat("x", 4100))), nil, 2}, // Of a length that is not said.
		{"said/1?cost=5", nil, []string{"x-till: 1"}, 2},
		{"said/1?cost=much", nil, []string{"x-till: 1"}, 10},
		{"response/1?size=xxxxxxxxxxxxxxxxxx", nil, nil, 2},
	} {
		name, _, _ := strings.Cut(c.path, "/")
		for _, way := range limitWays() {
			caller := token(t, map[string]any{"sub": fmt.Sprint(i, way), "billing": map[string]any{"units": 2.5}})
			passed := 0
			w.eventually(fmt.Sprintf("case %d, %s%s is refused", i, way, c.path), func() bool {
				a := w.send(way+c.path, c.body, append([]string{caller}, c.headers...)...)
				if a == 200 {
					passed++
				}
				return a == 429
			})
			late := name == "said" || name == "response" || name == "body"
			most := c.passes
			if late {
				most += 3 // Under way when the end of the one before is told.
			}
			if passed < c.passes || passed > most {
				t.Errorf("case %d, %s%s: %d requests passed, want %d to %d", i, way, c.path, passed, c.passes, most)
			}
		}
	}
}

// send sends a POST and returns its status. A body that is read from the beginning again says its length; another does not.
func (w *world) send(path string, body io.Reader, headers ...string) int {
	w.t.Helper()
	if s, ok := body.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			w.t.Fatal(err)
		}
	} else if body != nil {
		body = io.MultiReader(strings.NewReader(strings.Repeat("x", 4100)))
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url("PORT", path), body)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestLimitInShadow lets a limit in shadow mode refuse nothing, and one that is named in shadow mode by one API alone.
func TestLimitInShadow(t *testing.T) {
	t.Parallel()
	documents := parts(map[string]string{"shadow": "limit: 1\nper: 1h\nmode: shadow", "named": "limit: 1\nper: 1h"})
	documents = strings.ReplaceAll(documents, "limits: [named]", "limits: [{limit-of: named, mode: shadow}]")
	w := oneHopWorld(t, documents)
	w.startEnvoy("edge", "edge-1")
	for _, name := range []string{"shadow", "named"} {
		for n := range 6 {
			if a := w.get(w.url("PORT", limitWays()[n%2]+name+"/1"), token(t, map[string]any{"sub": "alice"})); a.status != 200 {
				t.Errorf("%s, request %d: %+v", name, n+1, a)
			}
		}
	}
}

// TestCeiling refuses by Envoy alone what is far beyond a limit, with Gatehouse away, each key for itself.
func TestCeiling(t *testing.T) {
	t.Parallel()
	documents := parts(map[string]string{
		"till":    "key: header.x-till\nlimit: 2\nper: 1h\nceiling: true",
		"account": "key: path.account\nlimit: 2\nper: 1h\nceiling: true",
		"some":    "when: {headers: [{header: x-tier, is: free}]}\nlimit: 2\nper: 1h\nceiling: true",
	})
	documents = strings.ReplaceAll(documents, "to: bank\noperations", "to: bank\nwhen-away: {authorization: open}\noperations")
	w := oneHopWorld(t, documents)
	w.startEnvoy("edge", "edge-1")
	w.stopServer()
	alice := token(t, map[string]any{"sub": "alice"})
	for i, c := range []struct {
		path    string
		headers []string
		passes  int
	}{
		{"/call/till/1", []string{"x-till: 1"}, 4},
		{"/call/till/2", []string{"x-till: 2"}, 4},
		{"/call/account/1", []string{"x-forwarded-for: 192.0.2.1"}, 4}, // By the client's address, as the account is a part of the path.
		{"/call/account/1", []string{"x-forwarded-for: 192.0.2.2"}, 4},
		{"/call/some/1", []string{"x-tier: free"}, 4},
		{"/call/some/1", nil, 9},
		{"/check/till/1", []string{"x-till: 1"}, 4},
		{"/check/till/1", nil, 9},
	} {
		for n := range 9 {
			a := w.get(w.url("PORT", c.path), append([]string{alice}, c.headers...)...)
			if n < c.passes && a.status != 200 {
				t.Errorf("case %d, %s, request %d: %+v", i, c.path, n+1, a)
			}
			if n >= c.passes && (a.status != 429 || a.problem(t) != "rate-limited" || !strings.Contains(a.body, `"limit":"`+strings.Split(c.path, "/")[2]+`"`) || a.header.Get("retry-after") == "") {
				t.Errorf("case %d, %s, request %d: %+v, want a refusal", i, c.path, n+1, a)
			}
		}
	}
}
