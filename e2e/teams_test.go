//go:build e2e

package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// divided is a Gateway of two teams, with a policy of the platform's before those of every API and one after them.
const divided = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}, hosts: [api.bank.test]}]
allow:
  - {team: payments, hosts: [api.bank.test], bases: [/payments]}
  - {team: treasury, hosts: [api.bank.test], bases: [/treasury]}
authorize: {before: seal, after: guard}
---
kind: Policy
name: seal
locked: true
rego: |
  package seal
  allow := {"allowed": true, "headers": {"x-tenant": "nordhaven"}, "request_headers_to_remove": ["x-debug"],
    "response_headers_to_add": {"x-frame-options": "DENY"}, "query_parameters_to_set": {"tenant": "nordhaven"}}
---
kind: Policy
name: guard
locked: true
rego: |
  package guard
  default allow := true
  allow := {"allowed": false, "http_status": 409} if input.attributes.request.http.headers["x-country"] == "nowhere"
---
kind: Upstream
name: payments
team: payments
endpoints: [{address: "${PAYMENTS}"}]
---
kind: Upstream
name: treasury
team: treasury
endpoints: [{address: "${TREASURY}"}]
---
kind: Policy
name: hostile
team: payments
rego: |
  package hostile
  forged := {":path": "/admin", ":method": "PUT", ":authority": "other.test", "host": "other.test", "x-gatehouse-api": "treasury",
    "X-Gatehouse-Subject": "root", "transfer-encoding": "chunked", "x-envoy-auth-failure-mode-allowed": "true"}
  allow := {"allowed": true, "headers": object.union(forged, {"X-Tenant": "other", "x-debug": "1", "x-own": "1"}),
    "request_headers_to_remove": ["x-tenant", ":path", "host", "x-gatehouse-rules"],
    "response_headers_to_add": object.union(forged, {"X-Frame-Options": "ALLOW", ":status": "500"}),
    "query_parameters_to_set": {"tenant": "other", "own": "1"},
    "query_parameters_to_remove": ["tenant"],
    "dynamic_metadata": {"rules": "forged", "gatehouse": {"rules": "forged"}}}
---
kind: Policy
name: smuggler
team: payments
rego: |
  package smuggler
  allow := {"allowed": true, "query_parameters_to_set": {"q": "1 HTTP/1.1\r\nhost: other.test\r\nx: #&admin=1"}}
---
kind: API
name: payments
version: v1
team: payments
expose: [{gateway: edge, hosts: [api.bank.test], base: /payments}]
to: payments
authenticate: none
authorize: hostile
when-away: {authorization: open}
unlisted: forward
operations:
  - {id: bare, path: /bare, authorize: []}
  - {id: smuggle, path: /smuggle, authorize: smuggler}
  - {id: wide, path-regex: "/x|/treasury.*"}
---
kind: API
name: treasury
version: v1
team: treasury
expose: [{gateway: edge, hosts: [api.bank.test], base: /treasury}]
to: treasury
authenticate: none
`

// TestTeams has one team try, by its policies and its paths, to reach what is another team's or the platform's.
func TestTeams(t *testing.T) {
	t.Parallel()
	payments, _ := backend(t, "payments", "")
	treasury, _ := backend(t, "treasury", "")
	w := newWorld(t, map[string]string{"bank.yaml": divided}, map[string]string{"PAYMENTS": payments, "TREASURY": treasury})
	w.startEnvoy("edge", "edge-1")

	a := w.get(w.url("PORT", "/payments/list?tenant=mine&kept=1"), "host: api.bank.test", "x-debug: 1", "x-tenant: client")
	got := a.echoed(t)
	if a.status != 200 || got.Method != "GET" || got.Host != "api.bank.test" {
		t.Fatalf("the hostile policy changed where the request goes: %+v", a)
	}
	for name, want := range map[string]string{
		"x-tenant": "nordhaven", "x-debug": "", "x-own": "1", "x-gatehouse-api": "", "x-gatehouse-subject": "", "transfer-encoding": "",
		"x-envoy-auth-failure-mode-allowed": "",
	} {
		if text := strings.Join(got.Headers[name], ","); text != want {
			t.Errorf("the upstream gets %s: %q, want %q", name, text, want)
		}
	}
	query := strings.Split(got.Query, "&")
	slices.Sort(query)
	if got.Path != "/list" || !slices.Equal(query, []string{"kept=1", "own=1", "tenant=nordhaven"}) {
		t.Errorf("the upstream gets %s?%s", got.Path, got.Query)
	}
	// What would end the line of the request never leaves Envoy.
	if a := w.get(w.url("PORT", "/payments/smuggle"), "host: api.bank.test"); a.status != 500 {
		t.Errorf("a query with the end of a line: %+v", a)
	}
	if values := a.header.Values("x-frame-options"); !slices.Equal(values, []string{"DENY"}) || a.header.Get("x-gatehouse-api") != "" {
		t.Errorf("the client gets %v", a.header)
	}

	// No API is without the platform's policies, also where it has none, or says that nothing is asked.
	for _, path := range []string{"/payments/list", "/payments/bare", "/payments/x", "/treasury"} {
		if a := w.get(w.url("PORT", path), "host: api.bank.test", "x-country: nowhere"); a.status != 409 {
			t.Errorf("%s passes the platform's policy: %d", path, a.status)
		}
	}
	if a := w.get(w.url("PORT", "/payments/bare"), "host: api.bank.test"); a.echoed(t).Headers["x-tenant"] == nil {
		t.Errorf("an operation without policies lost the platform's: %+v", a)
	}

	// Paths that look like another team's base go to that team or nowhere.
	for path, want := range map[string]string{
		"/treasury": "treasury", "/treasury/x": "treasury", "/payments/../treasury": "treasury", "/payments/%2e%2e/treasury": "treasury",
		"/payments/treasury": "payments", "/payments/x": "payments", "//treasury": "treasury",
	} {
		if a := w.get(w.url("PORT", path), "host: api.bank.test"); a.status != 200 || a.echoed(t).Name != want {
			t.Errorf("%s: %+v, want %s", path, a, want)
		}
	}
	for _, path := range []string{"/payments/..%2ftreasury", "/paymentsx", "/treasuryx", "/"} {
		if a := w.get(w.url("PORT", path), "host: api.bank.test"); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %+v", path, a)
		}
	}
}

// TestATeamTakesNothingByBeingFaulty adds an API that claims another team's base exactly: it gets neither traffic nor a 503.
func TestATeamTakesNothingByBeingFaulty(t *testing.T) {
	t.Parallel()
	payments, _ := backend(t, "payments", "")
	treasury, _ := backend(t, "treasury", "")
	w := newWorld(t, map[string]string{"bank.yaml": divided}, map[string]string{"PAYMENTS": payments, "TREASURY": treasury})
	w.startEnvoy("edge", "edge-1")
	w.write("theft.yaml", `schema: 1
kind: API
name: a-thief
version: v1
team: payments
expose: [{gateway: edge, hosts: [api.bank.test], base: /treasury}, {gateway: edge, hosts: [api.bank.test], base: /payments/new}]
to: payments
authenticate: none
---
kind: Route
name: all
team: payments
expose: {gateway: edge}
to: payments
authenticate: none
`)
	// What is granted of the faulty API shows that the change has arrived.
	w.eventually("the faulty API is quarantined", func() bool {
		return w.get(w.url("PORT", "/payments/new"), "host: api.bank.test").status == 503
	})
	if a := w.get(w.url("PORT", "/treasury/x"), "host: api.bank.test"); a.status != 200 || a.echoed(t).Name != "treasury" {
		t.Errorf("the other team's API: %+v", a)
	}
	if a := w.get(w.url("PORT", "/elsewhere"), "host: api.bank.test"); a.status != 404 {
		t.Errorf("a host that was not granted: %+v", a)
	}
}
