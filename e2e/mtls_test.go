//go:build e2e

package e2e_test

import (
	"crypto/tls"
	"net/url"
	"testing"

	"github.com/gatehouse/gatehouse/internal/testcert"
)

// mtlsDocuments are a listener that verifies certificates of clients where they show some, one that insists, and routes that ask
// for them.
const mtlsDocuments = `schema: 1
kind: Gateway
name: edge
listeners:
  - {name: https, address: 127.0.0.1, port: ${PORT}, tls: {certificate: bank, clients: {ca: ./clients.pem}}}
  - {name: strict, address: 127.0.0.1, port: ${STRICT_PORT}, tls: {certificate: bank, clients: {mode: required, ca: ./clients.pem}}}
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
kind: API
name: payments
version: v1
expose: [{gateway: edge, hosts: [api.bank.test]}]
to: payments
authenticate: {mtls: {}}
operations:
  - {id: any, path: /any}
  - {id: spiffe, path: /spiffe, authenticate: {mtls: {spiffe: ["spiffe://bank.test/tellers/*"]}}}
  - {id: dns, path: /dns, authenticate: {mtls: {dns: ["*.branch.bank.test", till.bank.test]}}}
  - {id: subject, path: /subject, authenticate: {mtls: {subject: ["CN=teller"]}}}
  - {id: either, path: /either, authenticate: {any: [{mtls: {dns: till.bank.test}}, {jwt: nordhaven, scopes: ["payments:read"]}]}}
  - {id: both, path: /both, authenticate: {all: [{mtls: {}}, {jwt: nordhaven}]}}
  - {id: open, path: /open, authenticate: none}
`

// TestClientCertificates shows certificates to routes that ask for them, and none, and those of strangers.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "bank", "")
	w := prepare(t, map[string]string{"bank.yaml": mtlsDocuments}, map[string]string{"BACKEND": address, "KEYS": quickstartKeys(t)})
	w.certificate("bank", "bank", "api.bank.test")
	bank, stranger := newClientAuthority(t), newClientAuthority(t)
	w.write("clients.pem", string(bank.PEM))
	w.startServer()
	w.startEnvoy("edge", "edge-1")

	tellers := &url.URL{Scheme: "spiffe", Host: "bank.test", Path: "/tellers/anna"}
	others := &url.URL{Scheme: "spiffe", Host: "bank.test", Path: "/tellersx"}
	asSubject := &url.URL{Opaque: "CN=teller"}
	anna := bank.client(t, testcert.Client{Common: "anna", URIs: []*url.URL{tellers}})
	till := bank.client(t, testcert.Client{Common: "teller", DNS: []string{"TILL.bank.test"}})
	south := bank.client(t, testcert.Client{Common: "x", DNS: []string{"south.branch.bank.test"}, URIs: []*url.URL{others}})
	deep := bank.client(t, testcert.Client{Common: "x", DNS: []string{"a.south.branch.bank.test", "CN=teller"}, URIs: []*url.URL{asSubject}})
	good, other := token(t, map[string]any{"sub": "alice"}), token(t, map[string]any{"sub": "alice", "scope": "x"})
	for name, test := range map[string]struct {
		path   string
		shown  *tls.Certificate
		header string
		status int
		reason string
	}{
		"any":                               {path: "/any", shown: anna, status: 200},
		"none":                              {path: "/any", status: 403, reason: "client-certificate-needed"},
		"none where none is needed":         {path: "/open", status: 200},
		"a teller":                          {path: "/spiffe", shown: anna, status: 200},
		"another path":                      {path: "/spiffe", shown: south, status: 403, reason: "client-certificate-needed"},
		"no SPIFFE id":                      {path: "/spiffe", shown: till, status: 403, reason: "client-certificate-needed"},
		"a DNS name in another case":        {path: "/dns", shown: till, status: 200},
		"a wildcard":                        {path: "/dns", shown: south, status: 200},
		"two labels":                        {path: "/dns", shown: deep, status: 403, reason: "client-certificate-needed"},
		"a subject":                         {path: "/subject", shown: till, status: 200},
		"another subject":                   {path: "/subject", shown: anna, status: 403, reason: "client-certificate-needed"},
		"a name like a subject":             {path: "/subject", shown: deep, status: 403, reason: "client-certificate-needed"},
		"a certificate in place of a token": {path: "/either", shown: till, status: 200},
		"a token in place of a certificate": {path: "/either", shown: anna, header: good, status: 200},
		"neither":                           {path: "/either", shown: anna, status: 401},
		"a token without the scope":         {path: "/either", header: other, status: 403, reason: "insufficient-scope"},
		"a certificate beside a bad token":  {path: "/either", shown: till, header: "authorization: Bearer x.y.z", status: 200},
		"a bad token alone":                 {path: "/either", header: "authorization: Bearer x.y.z", status: 401},
		"both":                              {path: "/both", shown: anna, header: good, status: 200},
		"a token alone":                     {path: "/both", header: good, status: 401},
		"a certificate alone":               {path: "/both", shown: anna, status: 401},
	} {
		a := w.askWith(test.shown, test.path, test.header)
		if a.status != test.status || test.reason != "" && a.reason(t) != test.reason {
			t.Errorf("%s: status %d, want %d and reason %q: %s", name, a.status, test.status, test.reason, a.body)
		}
		if challenged := a.header.Get("www-authenticate") != ""; a.status == 401 && !challenged {
			t.Errorf("%s: 401 without a challenge", name)
		}
	}
	if w.admitted("PORT", stranger.client(t, testcert.Client{Common: "anna", URIs: []*url.URL{tellers}})) {
		t.Error("a certificate of a stranger's is taken")
	}
	if w.admitted("STRICT_PORT", nil) {
		t.Error("a client without a certificate is taken where one is required")
	}
	if !w.admitted("STRICT_PORT", anna) {
		t.Error("a client with a certificate is refused where one is required")
	}

	kept, err := w.handshake("PORT", "api.bank.test", showing(anna))
	if err != nil {
		t.Fatal(err)
	}
	if a := w.ask(kept, "api.bank.test", "/any"); a.status != 200 {
		t.Errorf("before the authorities change: %+v", a)
	}
	w.write("clients.pem", string(stranger.PEM))
	w.eventually("the new authority counts", func() bool { return !w.admitted("PORT", anna) })
	if a := w.ask(kept, "api.bank.test", "/any"); a.status != 200 {
		t.Errorf("a connection from before is not kept: %+v", a)
	}
}

// clientAuthority issues certificates of clients.
type clientAuthority struct{ testcert.Authority }

func newClientAuthority(t *testing.T) clientAuthority {
	t.Helper()
	a, err := testcert.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return clientAuthority{a}
}

func (a clientAuthority) client(t *testing.T, c testcert.Client) *tls.Certificate {
	t.Helper()
	made, err := a.Client(c)
	if err != nil {
		t.Fatal(err)
	}
	return &made
}

// showing makes a handshake show a certificate, nil for none.
func showing(c *tls.Certificate) func(*tls.Config) {
	return func(config *tls.Config) {
		if c != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
		}
	}
}

// askWith sends a request with a certificate and a header, where they are not empty.
func (w *world) askWith(c *tls.Certificate, path, header string) answer {
	w.t.Helper()
	conn, err := w.handshake("PORT", "api.bank.test", showing(c))
	if err != nil {
		w.t.Fatal(err)
	}
	if header != "" {
		header = "\r\n" + header
	}
	return w.ask(conn, "api.bank.test"+header, path)
}

// admitted reports whether a listener takes a client that shows a certificate, nil for none. TLS 1.3 tells a client that it was not
// only after its own part of the handshake.
func (w *world) admitted(port string, c *tls.Certificate) bool {
	w.t.Helper()
	conn, err := w.handshake(port, "api.bank.test", showing(c), func(config *tls.Config) { config.MaxVersion = tls.VersionTLS12 })
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
