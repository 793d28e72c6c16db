//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// identityDocuments are routes of which Envoy decides by itself who may call them.
const identityDocuments = `schema: 1
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
kind: Issuer
name: strict
issuer: https://login.suderbank.test
algorithms: [RS256, ES256]
types: [at+jwt]
max-lifetime: 2h
skew: 5s
jwks:
  inline:
    keys:
      - {kty: EC, crv: P-256, kid: suderbank-test-1, alg: ES256, use: sig, x: OePDwiODExymXk3rKMRz-o174vFcC-WUl-wff0YrN0o, y: QoCrGZjuBgKWQ0SUYnG3IlMIQHRBMxKLCGqFSEDRwMA}
---
kind: API
name: payments
version: v1
expose: [{gateway: edge}]
to: payments
authenticate: {jwt: nordhaven}
require: [{name: not-blocked, headers: [{header: x-channel, is: [branch, online]}]}]
operations:
  - {id: read, path: /read}
  - {id: pay, path: /pay, authenticate: {jwt: nordhaven, scopes: ["payments:write", "payments:sign"]}}
  - {id: tell, path: /tell, authenticate: {jwt: nordhaven, claims: [{claim: realm_access.roles, is: [teller, auditor]}]}}
  - {id: grade, path: /grade, authenticate: {jwt: nordhaven, claims: [{claim: level, is: "3"}, {claim: staff, is: "true"}]}}
  - {id: either, path: /either, authenticate: {any: [{jwt: nordhaven, scopes: ["payments:write"]}, {jwt: nordhaven, claims: [{claim: role, is: teller}]}]}}
  - {id: guests, path: /guests, authenticate: {any: [{jwt: nordhaven}, {anonymous: guest}]}}
  - {id: strict, path: /strict, authenticate: {jwt: strict}}
  - {id: open, path: /open, authenticate: none}
  - {id: home, path: /home, authenticate: none, require: [{name: at-home, addresses: [127.0.0.0/8]}, {name: signed, headers: [{header: x-signature}]}]}
  - {id: afar, path: /afar, authenticate: none, require: [{name: from-afar, addresses: [192.0.2.0/24, "2001:db8::/32"]}]}
  - {id: branch, path: /branch, require: [{name: branch-only, claims: [{claim: bank.branch, is: north}]}]}
`

// TestIdentityInsideEnvoy sends requests to routes that need no call to Gatehouse, and reads in each refusal why.
func TestIdentityInsideEnvoy(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "bank", "")
	w := newWorld(t, map[string]string{"bank.yaml": identityDocuments}, map[string]string{"BACKEND": address, "KEYS": quickstartKeys(t)})
	w.startEnvoy("edge", "edge-1")
	claims := func(more ...any) string {
		all := map[string]any{"sub": "alice"}
		for i := 0; i < len(more); i += 2 {
			all[more[i].(string)] = more[i+1]
		}
		return token(t, all)
	}
	typed := func(typ string, life time.Duration) string {
		return "authorization: Bearer " + suderbank().typed(t, typ, map[string]any{"sub": "alice", "exp": time.Now().Add(life).Unix()})
	}
	const branch = "x-channel: branch"
	for name, test := range map[string]struct {
		path    string
		headers []string
		status  int
		reason  string // Of the problem document.
		asks    string // Part of the challenge.
	}{
		"a token":                         {path: "/read", headers: []string{claims(), branch}, status: 200},
		"no token":                        {path: "/read", headers: []string{branch}, status: 401, asks: "Bearer"},
		"an expired token":                {path: "/read", headers: []string{claims("exp", 1), branch}, status: 401, asks: `error="invalid_token"`},
		"no channel":                      {path: "/read", headers: []string{claims()}, status: 403, reason: "not-blocked"},
		"another channel":                 {path: "/read", headers: []string{claims(), "x-channel: phone"}, status: 403, reason: "not-blocked"},
		"two good channels":               {path: "/read", headers: []string{claims(), branch, "x-channel: online"}, status: 200},
		"a good channel and a bad one":    {path: "/read", headers: []string{claims(), branch, "x-channel: phone"}, status: 403, reason: "not-blocked"},
		"both scopes":                     {path: "/pay", headers: []string{claims("scope", "payments:sign payments:write"), branch}, status: 200},
		"scopes in a list":                {path: "/pay", headers: []string{claims("scope", []string{"payments:sign", "payments:write"}), branch}, status: 200},
		"one scope":                       {path: "/pay", headers: []string{claims("scope", "payments:sign payments:writer"), branch}, status: 403, reason: "insufficient-scope", asks: `error="insufficient_scope", scope="payments:sign payments:write"`},
		"no token where scopes are asked": {path: "/pay", headers: []string{branch}, status: 401, asks: "Bearer"},
		"a role":                          {path: "/tell", headers: []string{claims("realm_access", map[string]any{"roles": []string{"x", "auditor"}}), branch}, status: 200},
		"a role that is no list":          {path: "/tell", headers: []string{claims("realm_access", map[string]any{"roles": "teller"}), branch}, status: 200},
		"another role":                    {path: "/tell", headers: []string{claims("realm_access", map[string]any{"roles": []string{"tellers"}}), branch}, status: 403, reason: "claim:realm_access.roles"},
		"no roles":                        {path: "/tell", headers: []string{claims("roles", "teller"), branch}, status: 403, reason: "claim:realm_access.roles"},
		"a number and a boolean":          {path: "/grade", headers: []string{claims("level", 3, "staff", true), branch}, status: 200},
		"another number":                  {path: "/grade", headers: []string{claims("level", 33, "staff", true), branch}, status: 403, reason: "claim:level"},
		"another boolean":                 {path: "/grade", headers: []string{claims("level", "3", "staff", false), branch}, status: 403, reason: "claim:staff"},
		"the first way":                   {path: "/either", headers: []string{claims("scope", "payments:write"), branch}, status: 200},
		"the second way":                  {path: "/either", headers: []string{claims("role", "teller"), branch}, status: 200},
		"neither way":                     {path: "/either", headers: []string{claims(), branch}, status: 403},
		"a guest":                         {path: "/guests", headers: []string{branch}, status: 200},
		"who could be a guest":            {path: "/guests", headers: []string{claims(), branch}, status: 200},
		"a bad token of a guest":          {path: "/guests", headers: []string{claims("exp", 1), branch}, status: 401, asks: `error="invalid_token"`},
		"a typed token":                   {path: "/strict", headers: []string{typed("at+jwt", time.Hour), branch}, status: 200},
		"a typed token, in long":          {path: "/strict", headers: []string{typed("application/AT+JWT", time.Hour), branch}, status: 200},
		"another type":                    {path: "/strict", headers: []string{typed("JWT", time.Hour), branch}, status: 401, asks: `error="invalid_token"`},
		"a long life":                     {path: "/strict", headers: []string{typed("at+jwt", 3*time.Hour), branch}, status: 401, asks: `error="invalid_token"`},
		"expired within the usual skew":   {path: "/strict", headers: []string{typed("at+jwt", -20*time.Second), branch}, status: 401, asks: `error="invalid_token"`},
		"everybody":                       {path: "/open", headers: []string{branch}, status: 200},
		"everybody, and no channel":       {path: "/open", status: 403, reason: "not-blocked"},
		"at home":                         {path: "/home", headers: []string{branch, "x-signature: x"}, status: 200},
		"at home, unsigned":               {path: "/home", headers: []string{branch}, status: 403, reason: "signed"},
		"not from afar":                   {path: "/afar", headers: []string{branch, "x-forwarded-for: 192.0.2.7"}, status: 403, reason: "from-afar"},
		"of the branch":                   {path: "/branch", headers: []string{claims("bank", map[string]any{"branch": "north"}), branch}, status: 200},
		"of another branch":               {path: "/branch", headers: []string{claims("bank", map[string]any{"branch": "south"}), branch}, status: 403, reason: "branch-only"},
	} {
		a := w.get(w.url("PORT", test.path), test.headers...)
		got := a.header.Get("www-authenticate")
		if a.status != test.status || !strings.Contains(got, test.asks) || test.asks == "" && got != "" {
			t.Errorf("%s: status %d, challenge %q, want %d and %q: %s", name, a.status, got, test.status, test.asks, a.body)
			continue
		}
		if a.status >= 400 && test.reason != "" && a.reason(t) != test.reason {
			t.Errorf("%s: %s, want the reason %q", name, a.body, test.reason)
		}
	}
	if a := w.grpcLike("/pay", claims(), branch); a.header.Get("grpc-status") != "7" || a.header.Get("grpc-message") == "" {
		t.Errorf("a gRPC caller without scopes: %+v", a)
	}
	if a := w.grpcLike("/guests", claims("exp", 1), branch); a.header.Get("grpc-status") != "16" {
		t.Errorf("a gRPC caller with a bad token: %+v", a)
	}
}

// grpcLike sends a request that calls itself gRPC.
func (w *world) grpcLike(path string, headers ...string) answer {
	w.t.Helper()
	return w.get(w.url("PORT", path), append(headers, "content-type: application/grpc")...)
}

// quickstartKeys returns the key set of the quickstart's issuer on one line.
func quickstartKeys(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(quickstart, "issuer.jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		t.Fatal(err)
	}
	return line.String()
}

// reason returns the reason in a problem document.
func (a answer) reason(t *testing.T) string {
	t.Helper()
	a.problem(t)
	var p struct {
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	return p.Reason
}
