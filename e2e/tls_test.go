//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/testcert"
)

// tlsDocuments are a Gateway with two certificates, a listener that redirects to it, and a route on each host.
const tlsDocuments = `schema: 1
kind: Gateway
name: edge
listeners:
  - {name: https, address: 127.0.0.1, port: ${PORT}, hosts: [api.bank.test, "*.bank.test", shop.test], tls: {certificates: [bank, shop]}}
  - {name: strict, address: 127.0.0.1, port: ${STRICT_PORT}, tls: {certificate: shop, min: "1.3"}}
  - {name: http, address: 127.0.0.1, port: ${PLAIN_PORT}, hosts: [api.bank.test, shop.test], redirect: https}
---
kind: Certificate
name: bank
chain: ./bank.pem
key: ./bank.key.pem
---
kind: Certificate
name: shop
chain: ./shop.pem
key: ./shop.key.pem
---
kind: Upstream
name: payments
endpoints: [{address: "${BACKEND}"}]
---
kind: Route
name: payments
expose: [{gateway: edge}]
match: {path: /**}
authenticate: none
to: [{upstream: payments}]
---
kind: Route
name: challenges
expose: [{gateway: edge}]
match: {path: /.well-known/acme-challenge/**}
authenticate: none
to: [{upstream: payments}]
`

// tlsWorld starts a daemon and an Envoy with the documents above.
func tlsWorld(t *testing.T) *world {
	t.Helper()
	address, _ := backend(t, "bank", "")
	w := prepare(t, map[string]string{"bank.yaml": tlsDocuments}, map[string]string{"BACKEND": address})
	w.certificate("bank", "bank-1", "api.bank.test", "*.bank.test")
	w.certificate("shop", "shop-1", "shop.test")
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	return w
}

// certificate writes NAME.pem and NAME.key.pem, and returns the key. The chain comes last.
func (w *world) certificate(name, common string, hosts ...string) (key string) {
	w.t.Helper()
	chain, secret, err := testcert.Make(testcert.Settings{Common: common, Hosts: hosts})
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name+".key.pem", string(secret))
	w.write(name+".pem", string(chain))
	return string(secret)
}

// handshake opens a connection to a listener, naming a host ("": none).
func (w *world) handshake(port, host string, settings ...func(*tls.Config)) (*tls.Conn, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	config := &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}} //nolint:gosec // Names are what is tested.
	for _, set := range settings {
		set(config)
	}
	c, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", "127.0.0.1:"+w.values[port])
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = c.Close() })
	conn := c.(*tls.Conn)
	return conn, conn.SetDeadline(time.Now().Add(3 * patience))
}

// ask sends a request for a host on a connection.
func (w *world) ask(c net.Conn, host, path string) answer {
	w.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nhost: %s\r\n\r\n", path, host); err != nil {
		w.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}
}

func commonName(c *tls.Conn) string {
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// TestTLS holds which certificate a client is shown, and what it gets on the connection then.
func TestTLS(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	for _, step := range []struct{ port, name, shown string }{
		{"PORT", "api.bank.test", "bank-1"},
		{"PORT", "API.bank.test", "bank-1"},
		{"PORT", "any.bank.test", "bank-1"},
		{"PORT", "shop.test", "shop-1"},
		{"PORT", "", "bank-1"}, // Names none: the first.
		{"PORT", "other.test", ""},
		{"PORT", "bank.test", ""},
		{"STRICT_PORT", "shop.test", "shop-1"},
		{"STRICT_PORT", "api.bank.test", ""},
	} {
		c, err := w.handshake(step.port, step.name)
		switch {
		case err != nil && step.shown != "":
			t.Errorf("%s, host %q: %v", step.port, step.name, err)
		case err == nil && commonName(c) != step.shown:
			t.Errorf("%s, host %q: shown %s, want %q", step.port, step.name, commonName(c), step.shown)
		}
	}
	t.Run("versions", func(t *testing.T) {
		for _, step := range []struct {
			port string
			max  uint16
			good bool
		}{
			{"PORT", tls.VersionTLS13, true},
			{"PORT", tls.VersionTLS12, true},
			{"PORT", tls.VersionTLS11, false},
			{"STRICT_PORT", tls.VersionTLS13, true},
			{"STRICT_PORT", tls.VersionTLS12, false},
		} {
			_, err := w.handshake(step.port, "shop.test", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, step.max })
			if (err == nil) != step.good {
				t.Errorf("%s, at most %s: %v", step.port, tls.VersionName(step.max), err)
			}
		}
	})
	t.Run("protocols", func(t *testing.T) {
		for _, offer := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}} {
			c, err := w.handshake("PORT", "shop.test", func(c *tls.Config) { c.NextProtos = offer })
			if err != nil || c.ConnectionState().NegotiatedProtocol != offer[0] {
				t.Errorf("%v is offered: %v", offer, err)
			}
		}
	})
	t.Run("hosts", func(t *testing.T) {
		for _, step := range []struct {
			name, host string
			status     int
		}{
			{"api.bank.test", "api.bank.test", 200},
			{"api.bank.test", "any.bank.test:8443", 200}, // One connection for all that the certificate is good for.
			{"api.bank.test", "shop.test", 421},
			{"api.bank.test", "other.test", 421},
			{"shop.test", "shop.test", 200},
			{"shop.test", "api.bank.test", 421},
			{"", "api.bank.test", 200},
			{"", "127.0.0.1", 421},
		} {
			c, err := w.handshake("PORT", step.name)
			if err != nil {
				t.Fatal(err)
			}
			a := w.ask(c, step.host, "/")
			if a.status != step.status {
				t.Errorf("connected to %q, asked for %q: status %d, want %d", step.name, step.host, a.status, step.status)
			}
			if a.status == 421 && a.problem(t) != "misdirected-request" {
				t.Errorf("problem %s", a.body)
			}
		}
	})
	t.Run("plain HTTP on the port of TLS", func(t *testing.T) {
		if a, err := w.do(http.MethodGet, w.url("PORT", "/"), "host: api.bank.test"); err == nil {
			t.Errorf("answered %d %s", a.status, a.body)
		}
	})
}

// TestRedirect holds where plain HTTP leads.
func TestRedirect(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	for _, step := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{"GET", "api.bank.test", "/a/b?c=d&e", 308, "https://api.bank.test:${PORT}/a/b?c=d&e"},
		{"POST", "api.bank.test:" + w.values["PLAIN_PORT"], "/a", 308, "https://api.bank.test:${PORT}/a"},
		{"GET", "shop.test", "/", 308, "https://shop.test:${PORT}/"},
		{"GET", "shop.test", "/.well-known/security.txt", 308, "https://shop.test:${PORT}/.well-known/security.txt"},
		{"GET", "shop.test", "/.well-known/acme-challenge/token", 200, ""},
		{"GET", "other.test", "/", 404, ""},
	} {
		a, err := w.do(step.method, w.url("PLAIN_PORT", step.path), "host: "+step.host)
		if err != nil {
			t.Fatal(err)
		}
		want := os.Expand(step.location, func(name string) string { return w.values[name] })
		if a.status != step.status || a.header.Get("location") != want {
			t.Errorf("%s %s%s: status %d to %q, want %d to %q", step.method, step.host, step.path, a.status, a.header.Get("location"), step.status, want)
		}
	}
}
