//go:build e2e

package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/internal/testcert"
)

// toldDocuments are routes whose callers Envoy knows by itself, or the Check.
const toldDocuments = `schema: 1
kind: Gateway
name: edge
listeners:
  - {name: https, address: 127.0.0.1, port: ${PORT}, tls: {certificate: bank, clients: {ca: ./clients.pem}}}
---
kind: Certificate
name: bank
chain: ./bank.pem
key: ./bank.key.pem
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
name: asking
rego: |
  package asking
  allow if lower(input.attributes.request.http.method) == "get"
---
kind: API
name: payments
version: v1
expose: [{gateway: edge, hosts: [api.bank.test]}]
to: payments
authenticate: {jwt: nordhaven}
operations:
  - {id: token, path: /token}
  - {id: token-asked, path: /token-asked, authorize: asking}
  - {id: certificate, path: /certificate, authenticate: {mtls: {}}}
  - {id: certificate-asked, path: /certificate-asked, authenticate: {mtls: {}}, authorize: asking}
  - {id: both, path: /both, authenticate: {all: [{mtls: {}}, {jwt: nordhaven}]}}
  - id: any
    path: /any
    authenticate: {any: [{anonymous: guest}, {mtls: {spiffe: "spiffe://bank.test/tellers/*"}}, {jwt: nordhaven, scopes: [pay]}]}
  - id: any-asked
    path: /any-asked
    authenticate: {any: [{anonymous: guest}, {mtls: {spiffe: "spiffe://bank.test/tellers/*"}}, {jwt: nordhaven, scopes: [pay]}]}
    authorize: asking
  - {id: open, path: /open, authenticate: none}
`

// TestUpstreamsAreToldWhoCalls proves identities of all kinds, decided by Envoy and by the Check, and reads in the backend's answer
// what it was told: the same, and nothing of what the client says of itself.
func TestUpstreamsAreToldWhoCalls(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "bank", "")
	w := prepare(t, map[string]string{"bank.yaml": toldDocuments}, map[string]string{"BACKEND": address, "KEYS": quickstartKeys(t)})
	w.certificate("bank", "bank", "api.bank.test")
	bank := newClientAuthority(t)
	w.write("clients.pem", string(bank.PEM))
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	spiffe := func(path string) []*url.URL { return []*url.URL{{Scheme: "spiffe", Host: "bank.test", Path: path}} }
	anna := bank.client(t, testcert.Client{Common: "anna", URIs: spiffe("/tellers/anna"), DNS: []string{"till.bank.test"}})
	till := bank.client(t, testcert.Client{Common: "till", DNS: []string{"till.bank.test"}})
	bare := bank.client(t, testcert.Client{Common: "bare"})
	alice := token(t, map[string]any{"sub": "alice", "client_id": "app", "azp": "other", "scope": "pay"})
	byAzp := token(t, map[string]any{"sub": "alice", "azp": "other"})
	machine := token(t, map[string]any{"sub": "", "client_id": "batch"})
	const annas, alices = "certificate spiffe://bank.test/tellers/anna -", "jwt alice app"
	for name, test := range map[string]struct {
		paths  string
		shown  *tls.Certificate
		header string
		told   string // Kind, consumer and application.
	}{
		"a token":                            {"/token /token-asked", nil, alice, alices},
		"a token of an authorized party":     {"/token /token-asked", nil, byAzp, "jwt alice other"},
		"a machine's token":                  {"/token /token-asked", nil, machine, "jwt batch batch"},
		"a SPIFFE id":                        {"/certificate /certificate-asked", anna, "", annas},
		"a DNS name":                         {"/certificate /certificate-asked", till, "", "certificate till.bank.test -"},
		"a subject":                          {"/certificate /certificate-asked", bare, "", "certificate CN=bare -"},
		"a certificate and a token":          {"/both", anna, alice, alices},
		"a token before a certificate":       {"/any /any-asked", anna, alice, alices},
		"a token without the scope":          {"/any /any-asked", anna, byAzp, annas},
		"a certificate of any":               {"/any /any-asked", anna, "", annas},
		"a certificate that is not accepted": {"/any /any-asked", till, "", "anonymous guest -"},
		"nobody":                             {"/any /any-asked", nil, "", "anonymous guest -"},
		"anybody":                            {"/open", anna, alice, "- - -"},
	} {
		for path := range strings.FieldsSeq(test.paths) {
			lies := "x-gatehouse-identity: key\r\nx-gatehouse-consumer: mallory\r\nX-Gatehouse-Application: mallory\r\nx-gatehouse-plan: gold"
			if test.header != "" {
				lies += "\r\n" + test.header
			}
			a := w.askWith(test.shown, path, lies)
			if a.status != http.StatusOK {
				t.Errorf("%s, %s: %+v", name, path, a)
			} else if got := told(a.echoed(t)); got != test.told+" -" {
				t.Errorf("%s, %s: the backend is told %q, want %q", name, path, got, test.told)
			}
		}
	}
	forged := token(t, map[string]any{"sub": "alice\r\nx-gatehouse-plan: gold"})
	for _, path := range []string{"/token", "/token-asked", "/any", "/any-asked"} {
		a := w.askWith(nil, path, forged)
		var got echo.Answer
		if err := json.Unmarshal([]byte(a.body), &got); err == nil && len(got.Headers[envoy.HeaderPlan]) > 0 {
			t.Errorf("%s: a subject of two lines became a header: %+v", path, got.Headers)
		}
	}
}

// told returns what a backend was told of who calls: kind, consumer, application and plan, with a dash for what it was not told.
func told(got echo.Answer) string {
	var words []string
	for _, name := range []string{envoy.HeaderIdentity, envoy.HeaderConsumer, envoy.HeaderApplication, envoy.HeaderPlan} {
		value := strings.Join(got.Headers[name], ",")
		if value == "" {
			value = "-"
		}
		words = append(words, value)
	}
	return strings.Join(words, " ")
}
