//go:build e2e

package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/randrego"
	"github.com/gatehouse/gatehouse/internal/testcert"
)

// What TestEnvoyDecidesAsRegoDoes tries, and the corpus's first seed; SEED names another one.
const (
	nativePolicies     = 80
	requestsPerPolicy  = 20
	nativeFirstSeed    = 1
	leastNativeRefused = 300
	leastNativeAllowed = 300
)

// nativeDocuments are what stands around the policies: one gateway at which Envoy decides by itself, and one at which it asks.
const nativeDocuments = `
schema: 1
kind: Gateway
name: edge
listeners:
  - {name: http, address: 127.0.0.1, port: ${PORT}, hosts: ["*"]}
  - {name: https, address: 127.0.0.1, port: ${TLS_PORT}, tls: {certificate: bank, clients: {ca: ./clients.pem}}}
---
kind: Gateway
name: asking
fleet: edge
listeners:
  - {name: http, address: 127.0.0.1, port: ${ASKING_PORT}, hosts: ["*"]}
  - {name: https, address: 127.0.0.1, port: ${ASKING_TLS_PORT}, tls: {certificate: bank, clients: {ca: ./clients.pem}}}
---
kind: Certificate
name: bank
chain: ./bank.pem
key: ./bank.key.pem
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

// reduciblePolicies draws policies until enough of them reduce; every second compares what Envoy's expressions look at, or the
// peer's address. Each comes with its number, by which requests choose it.
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
		native := reducer.Reduce(p, randrego.Parameters()).Native
		if native == nil || len(native.All)+len(native.Any) == 0 && native.Not == nil {
			continue
		}
		if len(sources)%2 == 0 || looksAtConnection(native) {
			sources = append(sources, source)
		}
	}
	return sources
}

func looksAtConnection(p *gateway.Predicate) bool {
	found := false
	p.Walk(func(test *gateway.Test) { found = found || test.Of.Expressed() || test.Of == gateway.OfAddress })
	return found
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
	w := prepare(t, map[string]string{"bank.yaml": text.String()}, map[string]string{"BACKEND": address})
	w.certificate("bank", "bank", "api.bank.test", "API.bank.test")
	clients := drawnClients{w: w, authority: newClientAuthority(t), known: map[string]*http.Transport{}}
	w.write("clients.pem", string(clients.authority.PEM))
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	refused, allowed := 0, 0
	for i, source := range sources {
		for j := range requestsPerPolicy {
			r := rapid.Custom(randrego.Draw).Example(i*requestsPerPolicy + j)
			native, asked := clients.send(t, "", i, &r), clients.send(t, "ASKING_", i, &r)
			if native.status != asked.status && (native.status == http.StatusOK || !r.Odd()) {
				t.Errorf("Envoy says %d and Rego %d of %+v by\n%s\n%s", native.status, asked.status, r, source, native.body)
			}
			switch asked.status {
			case http.StatusForbidden:
				refused++
			case http.StatusOK:
				allowed++
			default:
				t.Errorf("status %d of %+v: %s", asked.status, r, asked.body)
			}
		}
	}
	t.Logf("%d requests refused and %d allowed of %d", refused, allowed, len(sources)*requestsPerPolicy)
	want := len(sources) * requestsPerPolicy
	if asked := authorizations(t, w); asked != want {
		t.Errorf("%d requests waited for a decision of Gatehouse, want %d: each once", asked, want)
	}
	if refused < leastNativeRefused || allowed < leastNativeAllowed {
		t.Errorf("%d requests refused and %d allowed, want at least %d and %d", refused, allowed, leastNativeRefused, leastNativeAllowed)
	}
}

// drawnClients sends requests from the addresses and with the certificates that they were drawn with.
type drawnClients struct {
	w         *world
	authority clientAuthority
	known     map[string]*http.Transport
}

// send sends a request to a gateway, whose ports' names begin with a text, for a policy.
func (c drawnClients) send(t *testing.T, gateway string, policy int, r *randrego.Request) answer {
	t.Helper()
	base := "http://127.0.0.1:" + c.w.values[gateway+"PORT"]
	if r.Shown != "" {
		base = "https://127.0.0.1:" + c.w.values[gateway+"TLS_PORT"]
	}
	request, err := http.NewRequestWithContext(t.Context(), r.Method, base+r.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(token(t, r.Claims), ": ")
	request.Host = r.Host
	request.Header.Set(name, value)
	request.Header.Set("x-policy", fmt.Sprintf("p%d", policy))
	for _, h := range r.Headers {
		request.Header[h[0]] = append(request.Header[h[0]], h[1])
	}
	resp, err := c.from(t, r.Peer, r.Shown).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

// from returns the client at an address that shows a certificate.
func (c drawnClients) from(t *testing.T, peer, shown string) *http.Transport {
	t.Helper()
	if client := c.known[peer+shown]; client != nil {
		return client
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer)}, Timeout: patience}
	config := &tls.Config{ServerName: "api.bank.test", InsecureSkipVerify: true} //nolint:gosec // The server's name is not what is tested.
	if shown != "" {
		bears := randrego.Certificates()[shown]
		names := testcert.Client{Common: bears.Common, DNS: bears.DNS}
		for _, text := range bears.URIs {
			uri, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			names.URIs = append(names.URIs, uri)
		}
		showing(c.authority.client(t, names))(config)
	}
	client := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: config, ResponseHeaderTimeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	c.known[peer+shown] = client
	return client
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
