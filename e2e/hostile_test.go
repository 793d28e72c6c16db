//go:build e2e

package e2e_test

import (
	"strings"
	"testing"
)

// fortress is a Gateway with a listener for one host and one for all, and APIs that differ in who may call them.
const fortress = `schema: 1
kind: Gateway
name: edge
listeners:
  - {name: public, address: 127.0.0.1, port: ${PORT}, hosts: [api.bank.test]}
  - {name: inner, address: 127.0.0.1, port: ${INNERPORT}}
---
kind: Gateway
name: proxied
fleet: edge
trust: {proxies: [10.0.0.0/8]}
listeners:
  - {name: http, address: 127.0.0.1, port: ${PROXIEDPORT}}
---
kind: Upstream
name: bank
endpoints: [{address: "${BACKEND}"}]
---
kind: API
name: open
version: v1
expose: [{gateway: edge, base: /open}, {gateway: proxied, base: /open}]
to: bank
authenticate: none
operations:
  - {id: all, path: /**}
---
kind: API
name: closed
version: v1
expose: [{gateway: edge, base: /closed}]
to: bank
authenticate: {jwt: nordhaven}
operations:
  - {id: get, path: "/{id}"}
---
kind: API
name: mixed
version: v1
expose: [{gateway: edge, base: /mixed}]
to: bank
authenticate: none
operations:
  - {id: get, path: "/{id}"}
  - {id: secret, path: /secret, authenticate: {jwt: nordhaven}}
`

// newFortress starts the fortress with a backend and one Envoy.
func newFortress(t *testing.T) *world {
	t.Helper()
	address, _ := backend(t, "bank", "")
	documents := map[string]string{"fortress.yaml": fortress}
	for name, text := range bank(t) {
		if strings.HasPrefix(name, "issuer") {
			documents[name] = text
		}
	}
	w := newWorld(t, documents, map[string]string{"BACKEND": address})
	w.startEnvoy("edge", "edge-1")
	return w
}

// TestListenerServesItsHostsOnly asks a listener for a host that another listener of the same Gateway serves.
func TestListenerServesItsHostsOnly(t *testing.T) {
	t.Parallel()
	w := newFortress(t)
	if a := w.get(w.url("INNERPORT", "/open/x"), "host: other.test"); a.status != 200 {
		t.Errorf("the listener for all hosts: %+v", a)
	}
	if a := w.get(w.url("PORT", "/open/x"), "host: other.test"); a.status != 404 || a.problem(t) != "not-found" {
		t.Errorf("the listener for api.bank.test: %+v", a)
	}
}

// TestSpellingsOfAPath writes a path that needs a token in other ways, none of which may be answered without one.
func TestSpellingsOfAPath(t *testing.T) {
	t.Parallel()
	w := newFortress(t)
	for _, path := range []string{
		"/mixed/secret", "/mixed/%73ecret", "//mixed//secret", "/mixed/./secret", "/mixed/x/../secret", "/mixed/x/%2e%2e/secret",
		"/open/../mixed/secret", "/open/..;/mixed/secret", "/mixed/x%2f..%2fsecret", "/mixed%5csecret", "/mixed/secret/", "/mixed/secret?a=/b",
	} {
		if a := w.get(w.url("PORT", path), "host: api.bank.test"); a.status == 200 {
			t.Errorf("%s: %+v", path, a)
		}
	}
}
