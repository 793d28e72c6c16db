//go:build e2e

package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/testcert"
)

// secureDocuments are Upstreams that are reached by TLS in several ways, and a Route to each below its name.
func secureDocuments() map[string]string {
	documents := map[string]string{"gateway.yaml": `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
---
kind: Certificate
name: envoys
chain: ./envoys.pem
key: ./envoys.key.pem
`}
	for name, text := range map[string]string{
		"verified":  "tls: {ca: ./bank.ca.pem, names: [payments.bank.test]}",
		"two":       "protocol: http2\ntls: {ca: ./bank.ca.pem, names: [payments.bank.test], min: \"1.3\"}",
		"misnamed":  "tls: {ca: ./bank.ca.pem, names: [cards.bank.test]}",
		"stranger":  "tls: {ca: ./other.ca.pem, names: [payments.bank.test]}",
		"system":    "tls: {names: [payments.bank.test]}",
		"believing": "tls: {verify: nothing-at-all}",
		"asked":     "tls: {ca: ./bank.ca.pem, names: [\"*.bank.test\"], sni: front.bank.test}",
	} {
		documents[name+".yaml"] = secure(name, "${PLAIN_TLS}", text)
	}
	documents["mutual.yaml"] = secure("mutual", "${MUTUAL_TLS}", "tls: {ca: ./bank.ca.pem, names: [payments.bank.test], certificate: envoys}\nconnections: {requests: 1}")
	documents["nameless.yaml"] = secure("nameless", "${MUTUAL_TLS}", "tls: {ca: ./bank.ca.pem, names: [payments.bank.test]}")
	return documents
}

func secure(name, address, text string) string {
	return "schema: 1\nkind: Upstream\nname: " + name + "\nendpoints: [{address: \"" + address + "\"}]\n" + text +
		"\n---\nkind: Route\nname: " + name + "\nexpose: {gateway: edge}\nmatch: {path: /" + name + "}\nto: " + name + "\nauthenticate: none\n"
}

// tlsEndpoint starts a backend that answers with who called it, by which protocol and name.
func tlsEndpoint(t *testing.T, a clientAuthority, mutual bool) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		caller := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			caller = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = io.WriteString(out, strings.Join([]string{caller, r.Proto, r.TLS.ServerName, tls.VersionName(r.TLS.Version)}, " "))
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*a.client(t, testcert.Client{DNS: []string{"payments.bank.test"}})}, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	if mutual {
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// shownToEndpoints writes the certificate that Envoys show to endpoints.
func (w *world) shownToEndpoints(a clientAuthority, common string) {
	w.t.Helper()
	c := a.client(w.t, testcert.Client{Common: common, DNS: []string{"envoys.bank.test"}})
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("envoys.key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	w.write("envoys.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})))
}

// TestUpstreamTLS reaches endpoints by TLS: they are verified, unless somebody wrote that they are not, and a certificate that is
// shown to them is replaced while requests go on.
func TestUpstreamTLS(t *testing.T) {
	t.Parallel()
	bank, other := newClientAuthority(t), newClientAuthority(t)
	w := prepare(t, secureDocuments(), map[string]string{"PLAIN_TLS": tlsEndpoint(t, bank, false), "MUTUAL_TLS": tlsEndpoint(t, bank, true)})
	w.write("bank.ca.pem", string(bank.PEM))
	w.write("other.ca.pem", string(other.PEM))
	w.shownToEndpoints(bank, "first")
	w.startServer()
	if faults := w.revision().Faults; len(faults) > 0 {
		t.Fatal(faults)
	}
	w.startEnvoy("edge", "edge-1")
	for name, want := range map[string]string{
		"verified":  "nobody HTTP/1.1 payments.bank.test TLS 1.3",
		"two":       "nobody HTTP/2.0 payments.bank.test TLS 1.3",
		"believing": "nobody HTTP/1.1  TLS 1.3",
		"asked":     "nobody HTTP/1.1 front.bank.test TLS 1.3",
		"mutual":    "first HTTP/1.1 payments.bank.test TLS 1.3",
		"misnamed":  "", "stranger": "", "system": "", "nameless": "",
	} {
		a := w.get(w.url("PORT", "/"+name))
		if want == "" && a.status != http.StatusServiceUnavailable || want != "" && (a.status != http.StatusOK || a.body != want) {
			t.Errorf("%s: %d %q, want %q", name, a.status, a.body, want)
		}
	}
	w.shownToEndpoints(bank, "second")
	w.eventually("the second certificate is shown", func() bool {
		a := w.get(w.url("PORT", "/mutual")) // Each on a connection of its own.
		if a.status != http.StatusOK {
			t.Fatalf("while a certificate is replaced: %d %s", a.status, a.body)
		}
		return strings.HasPrefix(a.body, "second ")
	})
}
