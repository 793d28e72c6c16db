//go:build e2e

package e2e_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/echo"
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

// TestClientsSayNothingInEnvoysName sends headers by which Envoys and proxies tell one another something.
func TestClientsSayNothingInEnvoysName(t *testing.T) {
	t.Parallel()
	w := newFortress(t)
	forged := []string{
		"x-envoy-upstream-rq-timeout-ms: 1", "x-envoy-retry-on: 5xx", "x-envoy-max-retries: 99",
		"x-envoy-attempt-count: 7", "x-envoy-original-dst-host: 192.0.2.1:80", "x-envoy-peer-metadata: forged",
		"x-envoy-decorator-operation: forged", "x-envoy-external-address: 192.0.2.1",
		"x-envoy-auth-failure-mode-allowed: true", "x-gatehouse-subject: forged",
	}
	places := []string{"x-forwarded-for: 192.0.2.1", "x-forwarded-host: evil.test", "forwarded: for=192.0.2.1", "x-real-ip: 192.0.2.1"}
	told := func(port string, headers []string) echo.Answer {
		return w.get(w.url(port, "/open/x"), append(headers, "host: api.bank.test")...).echoed(t)
	}
	for _, port := range []string{"PORT", "PROXIEDPORT"} {
		got := told(port, forged)
		for _, h := range forged {
			name, value, _ := strings.Cut(h, ": ")
			for _, v := range got.Headers[name] {
				if v == value {
					t.Errorf("%s: a client's %s: %s came through", port, name, value)
				}
			}
		}
	}
	got := told("PORT", places)
	for _, h := range places {
		name, value, _ := strings.Cut(h, ": ")
		if all := strings.Join(got.Headers[name], ","); strings.Contains(all, value) {
			t.Errorf("nobody is trusted, and a client's word came through: %s: %s", name, all)
		}
	}
	if got := told("PROXIEDPORT", places[:1]).Headers["x-forwarded-for"]; len(got) != 1 || !strings.HasPrefix(got[0], "192.0.2.1,") {
		t.Errorf("where proxies are trusted, what they forward must arrive: %q", got)
	}
}

// TestOneTokenIsAllThatIsSaid puts a second token where a policy or an upstream might look for the first.
func TestOneTokenIsAllThatIsSaid(t *testing.T) {
	t.Parallel()
	w := newFortress(t)
	url := w.url("PORT", "/closed/x")
	good := strings.TrimPrefix(token(t, map[string]any{"sub": "alice"}), "authorization: ")
	if a := w.get(url, "host: api.bank.test", "authorization: "+good); a.status != 200 {
		t.Fatalf("a token alone: %+v", a)
	}
	for _, headers := range [][]string{
		{"authorization: bearer e30.eyJzdWIiOiJib2IifQ.e30 " + good},
		{"authorization: Basic Ym9iOmJvYg==, " + good},
		{"authorization: bearer e30.eyJzdWIiOiJib2IifQ.e30", "authorization: " + good},
		{"authorization: " + good, "authorization: Bearer e30.eyJzdWIiOiJib2IifQ.e30"},
		{"authorization: " + good + " e30"},
		{"authorization: x" + good},
	} {
		if a := w.get(url, append(headers, "host: api.bank.test")...); a.status != 401 && a.status != 403 {
			t.Errorf("%q: %+v", headers, a)
		}
	}
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
