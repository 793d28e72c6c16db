//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/randrego"
)

// What TestEnvoyDecidesAsRegoDoes tries, and the corpus's first seed; SEED names another one.
const (
	nativePolicies     = 50
	requestsPerPolicy  = 20
	nativeFirstSeed    = 1
	leastNativeRefused = 100
)

// nativeDocuments are what stands around the policies: one gateway at which Envoy decides by itself, and one at which it asks.
const nativeDocuments = `
schema: 1
kind: Gateway
name: edge
listeners:
  - {name: http, address: 127.0.0.1, port: ${PORT}, hosts: ["*"]}
---
kind: Gateway
name: asking
fleet: edge
listeners:
  - {name: http, address: 127.0.0.1, port: ${ASKING_PORT}, hosts: ["*"]}
---
kind: Upstream
name: bank
endpoints: [{address: "${BACKEND}"}]
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks:
  inline:
    keys:
      - {kty: EC, crv: P-256, kid: nordhaven-test-1, alg: ES256, use: sig, x: 5xM_DEAAmU-0RDC12E7AShZT_LDdsxq3Pohuc4gpXqw, y: lNY6dI4CykpUGpZ6NFEkP7Nc49cAjYgYaQAglFbmECg}
`

// reduciblePolicies draws policies until enough of them reduce. Each comes with its number, by which requests choose it.
func reduciblePolicies(t *testing.T, n int) []string {
	t.Helper()
	seed := nativeFirstSeed
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	reducer := authz.NewReducer()
	var sources []string
	for ; len(sources) < n; seed++ {
		source := rapid.Custom(randrego.Policy).Example(seed)
		p := &gateway.Policy{Name: "p", Source: source, Data: randrego.Data()}
		if native := reducer.Reduce(p, randrego.Parameters()).Native; native != nil && (len(native.All)+len(native.Any) > 0 || native.Not != nil) {
			sources = append(sources, source)
		}
	}
	return sources
}

// policyDocument is a policy, a route by which Envoy decides it, and one by which it asks.
func policyDocument(t *testing.T, i int, source string) string {
	t.Helper()
	inJSON := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := fmt.Sprintf("---\nkind: Policy\nname: p%d\nrego: %s\nwith: %s\ndata: %s\n", i, inJSON(source), inJSON(randrego.Parameters()), inJSON(randrego.Data()))
	for _, r := range []struct{ name, gateway, decisions string }{{"native", "edge", "usual"}, {"asked", "asking", "full"}} {
		text += fmt.Sprintf("---\nkind: Route\nname: %s%d\nexpose: {gateway: %s}\nmatch: {path: \"/**\", headers: {x-policy: p%d}}\nto: bank\n"+
			"authenticate: {jwt: nordhaven}\nauthorize: p%d\ndecisions: %s\n", r.name, i, r.gateway, i, i, r.decisions)
	}
	return text
}

// TestEnvoyDecidesAsRegoDoes draws policies that reduce and requests, and sends each request to a real Envoy twice: once it
// decides by itself, once it asks Gatehouse, which evaluates the Rego.
func TestEnvoyDecidesAsRegoDoes(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "bank", "")
	sources := reduciblePolicies(t, nativePolicies)
	var text strings.Builder
	text.WriteString(nativeDocuments)
	for i, source := range sources {
		text.WriteString(policyDocument(t, i, source))
	}
	w := newWorld(t, map[string]string{"bank.yaml": text.String()}, map[string]string{"BACKEND": address})
	w.startEnvoy("edge", "edge-1")
	refused := 0
	for i, source := range sources {
		for j := range requestsPerPolicy {
			r := rapid.Custom(randrego.Draw).Example(i*requestsPerPolicy + j)
			native, asked := sent(t, w, "PORT", i, &r), sent(t, w, "ASKING_PORT", i, &r)
			if native.status != asked.status && (native.status == http.StatusOK || !r.Odd()) {
				t.Errorf("Envoy says %d and Rego %d of %+v by\n%s\n%s", native.status, asked.status, r, source, native.body)
			}
			if asked.status == http.StatusForbidden {
				refused++
			}
		}
	}
	t.Logf("%d requests refused of %d", refused, len(sources)*requestsPerPolicy)
	want := len(sources) * requestsPerPolicy
	if asked := authorizations(t, w); asked != want {
		t.Errorf("%d requests waited for a decision of Gatehouse, want %d: each once", asked, want)
	}
	if refused < leastNativeRefused {
		t.Errorf("%d requests refused, want at least %d", refused, leastNativeRefused)
	}
}

func sent(t *testing.T, w *world, port string, policy int, r *randrego.Request) answer {
	t.Helper()
	headers := []string{fmt.Sprintf("x-policy: p%d", policy), "host: " + r.Host, token(t, r.Claims)}
	for _, h := range r.Headers {
		headers = append(headers, h[0]+": "+h[1])
	}
	a, err := w.do(r.Method, w.url(port, r.Path), headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// authorizations returns how many decisions of the authorization service the metrics count.
func authorizations(t *testing.T, w *world) int {
	t.Helper()
	sum := 0
	for line := range strings.Lines(w.metrics()) {
		if strings.HasPrefix(line, "gatehouse_authorization_decisions_total{") {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " "):]), 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += int(n)
		}
	}
	return sum
}
