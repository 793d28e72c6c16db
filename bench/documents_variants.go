package main

import (
	"fmt"
	"strings"
)

// variants are the quickstart's API with less and less before it, and with other policies. Those of the policies whose Checks
// are measured are written in a way that Envoy cannot decide by itself, with as much to evaluate.
const variants = `schema: 1
kind: API
name: policy
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /policy}]
to: payments
authenticate: {jwt: nordhaven}
authorize: [{policy: bank.payments, with: {teller: teller}}]
---
kind: API
name: token
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /token}]
to: payments
authenticate: {jwt: nordhaven}
---
kind: API
name: open
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /open}]
to: payments
authenticate: none
---
kind: API
name: limited
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /limited}]
to: payments
authenticate: {jwt: nordhaven}
limits: [{name: per-customer, key: [token.sub], limit: 1000000000, per: 1m}]
---
kind: API
name: share
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /share}]
to: payments
authenticate: none
limits: [{name: everybody, limit: 100000, per: 1s, enforce: distributed}]
---
kind: API
name: role-share
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /role-share}]
to: payments
authenticate: {jwt: nordhaven}
authorize: [bench.role]
limits: [{name: everybody, limit: 100000, per: 1s, enforce: distributed}]
---
kind: API
name: role-local
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /role-local}]
to: payments
authenticate: {jwt: nordhaven}
authorize: [bench.role]
limits: [{name: everybody, limit: 100000000, per: 1s, enforce: local}]
---
kind: API
name: local
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /local}]
to: payments
authenticate: none
limits: [{name: each, key: client.address, limit: 100000000, per: 1s, enforce: local}]
---
kind: API
name: headers
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /headers}]
to: payments
authenticate: none
headers:
  request: {set: {x-region: north, x-tier: gold}, add: {x-seen: bench}, remove: [x-debug]}
  response: {set: {x-frame-options: DENY, x-content-type-options: nosniff}, remove: [x-internal]}
---
kind: API
name: four-limited
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /four-limited}]
to: payments
authenticate: {jwt: nordhaven}
limits:
  - {name: per-customer, key: [token.sub], limit: 1000000000, per: 1m}
  - {name: per-customer-and-hour, key: [token.sub], limit: 1000000000, per: 1h}
  - {name: per-address, key: [client.address], limit: 1000000000, per: 1s}
  - {name: all, limit: 1000000000, per: 1s}
---
kind: API
name: out-limited
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /out-limited}]
to: payments
authenticate: {jwt: nordhaven}
limits: [{name: per-customer, key: [token.sub], limit: 1, per: 24h}]
---
kind: API
name: role
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /role}]
to: payments
authenticate: {jwt: nordhaven}
authorize: [bench.role]
---
kind: API
name: constant-check
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /constant-check}]
to: payments
authenticate: none
authorize: [bench.constant]
---
kind: API
name: role-check
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /role-check}]
to: payments
authenticate: {jwt: nordhaven}
authorize: [bench.role-check]
---
kind: API
name: recorded-check
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /recorded-check}]
to: payments
authenticate: {jwt: nordhaven}
decisions: full
authorize: [bench.role-check]
---
kind: API
name: key-check
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /key-check}]
to: payments
authenticate: {key: {header: x-api-key}}
authorize: [bench.key]
---
kind: API
name: signed-check
version: v1
contract: ./payments.openapi.yaml
expose: [{gateway: edge, base: /signed-check}]
to: payments
authenticate: none
authorize: [bench.signed]
---
kind: Policy
name: bench.constant
rego: |
  package bench.constant
  default allow := true
  allow := true
---
kind: Policy
name: bench.role
rego: |
  package bench.role
  default allow := false
  allow if {
    input.attributes.request.http.method == "GET"
    input.gatehouse.identity.claims.role in ["customer", "teller"]
  }
---
kind: Policy
name: bench.role-check
rego: |
  package bench.rolecheck
  allow := true if {
    input.attributes.request.http.method == "GET"
    input.gatehouse.identity.claims.role in ["customer", "teller"]
  } else := false
---
kind: Policy
name: bench.key
rego: |
  package bench.key
  default allow := false
  allow if {
    input.attributes.request.http.method == "GET"
    "payments:read" in input.gatehouse.identity.scopes
    input.gatehouse.identity.application == "bench"
  }
---
kind: Policy
name: bench.signed
rego: |
  package bench.signed
  default allow := false
  bearer := substring(input.attributes.request.http.headers.authorization, 7, -1)
  claims := payload if {
    [valid, _, payload] := io.jwt.decode_verify(bearer, {"secret": "SECRET", "alg": "HS256", "aud": "payments"})
    valid
  }
  allow if {
    input.attributes.request.http.method == "GET"
    claims.role in ["customer", "teller"]
  }
`

// variantDocuments returns them, with the secret that signs tokens for the policy that verifies them itself.
func variantDocuments() string { return strings.ReplaceAll(variants, "SECRET", secret) }

// manyPolicies returns documents of further policies and the routes that apply them, none of which is asked.
func manyPolicies(number int) string {
	var out strings.Builder
	out.WriteString("schema: 1\n")
	for i := range number {
		fmt.Fprintf(&out, `---
kind: Policy
name: bench.many.p%[1]d
rego: |
  package bench.many.p%[1]d
  allow := true if {
    input.gatehouse.identity.claims.role == "role-%[1]d"
  } else := false
---
kind: API
name: many-%[1]d
version: v1
expose: [{gateway: edge, base: /many/%[1]d}]
to: payments
authenticate: {jwt: nordhaven}
authorize: [bench.many.p%[1]d]
operations: [{id: get, method: GET, path: /}]
`, i)
	}
	return strings.Replace(out.String(), "---\n", "", 1)
}
