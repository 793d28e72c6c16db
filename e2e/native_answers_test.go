//go:build e2e

package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// nativeAnswers are routes whose policies Envoy judges by itself, but for the last two.
const nativeAnswers = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
---
kind: Upstream
name: payments
endpoints: [{address: "${BACKEND}"}]
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks: {inline: ${KEYS}}
---
kind: Policy
name: owners
rego: |
  package owners
  default allow := {"allowed": false, "reason": "not / yours"}
  allow if input.gatehouse.identity.subject == "alice"
---
kind: Policy
name: tellers
rego: |
  package tellers
  allow if "teller" in input.gatehouse.identity.claims.roles
---
kind: Policy
name: plain
rego: |
  package plain
  default allow := false
  allow if input.gatehouse.identity.subject == "alice"
---
kind: Policy
name: tills
rego: |
  package tills
  allow if lower(input.attributes.request.http.headers["x-till"]) == "3"
---
kind: Policy
name: counters
rego: |
  package counters
  default allow := {"allowed": false, "reason": "no counter"}
  allow if {
    input.attributes.request.http.headers["x-till"] == "3"
    input.gatehouse.identity.subject == "alice"
  }
---
kind: API
name: payments
version: v1
expose: [{gateway: edge}]
to: payments
authenticate: {jwt: nordhaven}
operations:
  - {id: owned, path: /owned, authorize: [owners]}
  - {id: told, path: /told, authorize: [tellers]}
  - {id: plain, path: /plain, authorize: [plain]}
  - {id: tried, path: /tried, authorize: [owners, {policy: tellers, mode: shadow}]}
  - {id: roles, path: /roles, authorize: [{policy: gatehouse.roles, with: {any: [teller], claim: realm.roles}}]}
  - {id: mixed, path: /mixed, authorize: [owners, tills]}
  - {id: counters, path: /counters, authorize: [counters]}
---
kind: Route
name: recorded
expose: {gateway: edge}
match: {path: /recorded}
to: payments
authenticate: {jwt: nordhaven}
authorize: owners
decisions: full
`

// newNativeAnswers starts a daemon and an Envoy with these routes.
func newNativeAnswers(t *testing.T) *world {
	t.Helper()
	address, _ := backend(t, "bank", "")
	w := newWorld(t, map[string]string{"bank.yaml": nativeAnswers}, map[string]string{"BACKEND": address, "KEYS": quickstartKeys(t)})
	w.startEnvoy("edge", "edge-1")
	return w
}

// TestNativeDenialsSayWhy reads the problem documents of what policies deny, decided by Envoy and by Gatehouse: they are the same.
func TestNativeDenialsSayWhy(t *testing.T) {
	t.Parallel()
	w := newNativeAnswers(t)
	alice, bob := token(t, map[string]any{"sub": "alice"}), token(t, map[string]any{"sub": "bob"})
	calls := 0
	if a := w.get(w.url("PORT", "/counters"), alice); a.status != http.StatusForbidden || a.reason(t) != "no counter" {
		t.Errorf("alice without a till: %+v", a)
	} else if found, _ := w.why(a.requestID(t)); found.Decisions[0].Policy != "counters" || found.Decisions[0].Reason != "no counter" {
		t.Errorf("recorded as %+v", found.Decisions)
	}
	for _, test := range []struct {
		path, reason string
		calls        int
	}{
		{"/owned", "not / yours", 0},
		{"/told", gateway.DenialUndefined, 0},
		{"/plain", "", 0},
		{"/tried", "not / yours", 0},
		{"/roles", "role-missing", 0},
		{"/counters", "no counter", 0},
		{"/mixed", "not / yours", 1},
		{"/recorded", "not / yours", 1},
	} {
		a := w.get(w.url("PORT", test.path), bob)
		if a.status != http.StatusForbidden || a.problem(t) != gateway.ProblemDenied || a.reason(t) != test.reason ||
			!strings.Contains(a.body, "A policy denied the request.") {
			t.Errorf("%s: status %d, want 403 with the reason %q: %s", test.path, a.status, test.reason, a.body)
		}
		if test.reason == "" && strings.Contains(a.body, `"reason"`) {
			t.Errorf("%s: a reason where the policy gives none: %s", test.path, a.body)
		}
		calls += test.calls
		if got := authorizations(t, w); got != calls {
			t.Errorf("%s: %d decisions of Gatehouse so far, want %d", test.path, got, calls)
		}
	}
	for path, headers := range map[string][]string{
		"/owned": {alice}, "/tried": {alice}, "/mixed": {alice, "x-till: 3"}, "/recorded": {alice}, "/counters": {alice, "x-till: 3"},
		"/told":  {token(t, map[string]any{"sub": "bob", "roles": []string{"teller"}})},
		"/roles": {token(t, map[string]any{"sub": "bob", "realm": map[string]any{"roles": "auditor teller"}})},
	} {
		if a := w.get(w.url("PORT", path), headers...); a.status != http.StatusOK {
			t.Errorf("%s: %+v", path, a)
		}
	}
	if a := w.grpcLike("/owned", bob); a.header.Get("grpc-status") != "7" || a.header.Get("grpc-message") != "A policy denied the request. (not / yours)" {
		t.Errorf("a gRPC caller: %+v", a)
	}
}

// TestNativeShadowIsRecorded lets a policy in shadow mode, which Envoy judges, dislike a request, and reads it in the record.
func TestNativeShadowIsRecorded(t *testing.T) {
	t.Parallel()
	w := newNativeAnswers(t)
	for name, test := range map[string]struct {
		claims  map[string]any
		status  int
		shadows string // What the policy in shadow mode would have said.
	}{
		"let through": {map[string]any{"sub": "alice"}, http.StatusOK, "the policy tellers would have answered: denied (undefined)"},
		"refused":     {map[string]any{"sub": "bob"}, http.StatusForbidden, "the policy tellers would have answered: denied (undefined)"},
		"liked":       {map[string]any{"sub": "bob", "roles": []string{"teller"}}, http.StatusForbidden, ""},
	} {
		a := w.get(w.url("PORT", "/tried"), token(t, test.claims))
		if a.status != test.status {
			t.Fatalf("%s: %+v", name, a)
		}
		id := ""
		if a.status == http.StatusOK {
			id = strings.Join(a.echoed(t).Headers["x-request-id"], "")
		} else {
			id = a.requestID(t)
		}
		found, words := w.why(id)
		d := found.Decisions[len(found.Decisions)-1]
		if d.By != gateway.ByEnvoy || d.Refused() != (test.status != http.StatusOK) || d.Refused() && (d.Policy != "owners" || d.Reason != "not / yours") {
			t.Errorf("%s: recorded as %+v", name, d)
		}
		if told := len(d.Shadows) > 0; told != (test.shadows != "") || !strings.Contains(words, test.shadows) {
			t.Errorf("%s: shadows %+v, words\n%s", name, d.Shadows, words)
		}
	}
	if n := authorizations(t, w); n != 0 {
		t.Errorf("%d decisions of Gatehouse, want none", n)
	}
}
