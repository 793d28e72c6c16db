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
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
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

// TestNewHostDrainsNobody adds hosts with certificates of their own, and moves a host to another one, while connections to other
// hosts are open: these are never told to close.
func TestNewHostDrainsNobody(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	held, err := w.handshake("PORT", "api.bank.test")
	if err != nil {
		t.Fatal(err)
	}
	documents := tlsDocuments
	for _, add := range []string{"new.test", "newer.test"} {
		name, _, _ := strings.Cut(add, ".")
		w.certificate(name, name+"-1", add)
		documents = strings.Replace(documents, "shop.test", "shop.test, "+add, 1)
		documents = strings.Replace(documents, "[bank, shop", "[bank, shop, "+name, 1)
		documents += "---\nkind: Certificate\nname: " + name + "\nchain: ./" + name + ".pem\nkey: ./" + name + ".key.pem\n"
		w.write("bank.yaml", documents)
		w.eventually(add+" is served", func() bool {
			c, err := w.handshake("PORT", add)
			return err == nil && commonName(c) == name+"-1" && w.ask(c, add, "/").status == 200
		})
		a := w.ask(held, "api.bank.test", "/")
		if a.status != 200 || a.header.Get("connection") == "close" {
			t.Errorf("%s came, and the connection to another host gets %d, connection %q", add, a.status, a.header.Get("connection"))
		}
	}
	stats, err := w.envoys["edge-1"].Admin().Stats(t.Context(), `^listener_manager\.(listener_in_place_updated|total_filter_chains_draining|total_listeners_draining)$`)
	if err != nil {
		t.Fatal(err)
	}
	if stats["listener_manager.listener_in_place_updated"] < 2 || stats["listener_manager.total_filter_chains_draining"]+stats["listener_manager.total_listeners_draining"] > 0 {
		t.Errorf("listener manager: %v", stats)
	}
}

// TestOneBadCertificateStaysOne starts with a certificate that cannot be read: the other host is served, and this one as soon
// as its file is good.
func TestOneBadCertificateStaysOne(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "bank", "")
	w := prepare(t, map[string]string{"bank.yaml": tlsDocuments}, map[string]string{"BACKEND": address})
	w.certificate("bank", "bank-1", "api.bank.test", "*.bank.test")
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	c, err := w.handshake("PORT", "api.bank.test")
	if err != nil || w.ask(c, "api.bank.test", "/").status != 200 {
		t.Errorf("the host whose certificate is good: %v", err)
	}
	if _, err := w.handshake("PORT", "shop.test"); err == nil {
		t.Error("a host without a certificate is met")
	}
	now, err := w.admin().Revision(t.Context())
	if err != nil || !slices.ContainsFunc(now.Faults, func(f gateway.Fault) bool { return f.Code == "GH121" && f.Object.Name == "shop" }) {
		t.Errorf("faults %v, %v", now.Faults, err)
	}
	w.certificate("shop", "shop-1", "shop.test")
	for _, port := range []string{"PORT", "STRICT_PORT"} {
		w.eventually("shop.test is served on "+port, func() bool {
			c, err := w.handshake(port, "shop.test")
			return err == nil && commonName(c) == "shop-1" && w.ask(c, "shop.test", "/").status == 200
		})
	}
}

// TestCertificateIsReplacedUnderLoad replaces a certificate again and again, by files and by a link, while requests run, each on
// a new connection and on one that is kept: none fails. A broken replacement changes nothing and is shown.
func TestCertificateIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	revision, err := w.admin().Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := w.handshake("PORT", "api.bank.test")
	if err != nil {
		t.Fatal(err)
	}
	load := w.tlsLoad("api.bank.test")
	shown := func() string {
		c, err := w.handshake("PORT", "api.bank.test")
		if err != nil {
			t.Fatal(err)
		}
		return commonName(c)
	}
	for i := range 10 {
		name := fmt.Sprint("bank-", i+2)
		w.certificate("bank", name, "api.bank.test", "*.bank.test")
		w.eventually(name+" is shown", func() bool { return shown() == name })
		if a := w.ask(kept, "api.bank.test", "/"); a.status != 200 {
			t.Errorf("after %s the kept connection gets %d", name, a.status)
		}
	}
	w.write("bank.pem", "no certificate")
	w.eventually("the broken file is shown as a fault", func() bool {
		now, err := w.admin().Revision(t.Context())
		return err == nil && slices.ContainsFunc(now.Faults, func(f gateway.Fault) bool {
			return f.Code == "GH121" && strings.HasPrefix(f.Place.String(), "bank.yaml:11")
		})
	})
	if got := shown(); got != "bank-11" {
		t.Errorf("a broken file: %s is shown", got)
	}
	w.certificate("bank", "narrow", "other.test")
	w.eventually("a certificate for other hosts is shown as a fault", func() bool {
		now, err := w.admin().Revision(t.Context())
		return err == nil && slices.ContainsFunc(now.Faults, func(f gateway.Fault) bool { return f.Code == "GH221" || f.Code == "GH223" })
	})
	if got := shown(); got != "bank-11" {
		t.Errorf("a certificate for other hosts: %s is shown", got)
	}
	w.certificate("bank", "bank-12", "api.bank.test", "*.bank.test")
	w.eventually("bank-12 is shown", func() bool { return shown() == "bank-12" })
	w.eventually("no fault is left", func() bool {
		now, err := w.admin().Revision(t.Context())
		return err == nil && len(now.Faults) == 0
	})
	count, failed := load()
	t.Logf("%d requests on connections of their own", count)
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(failed), count, failed[:min(5, len(failed))])
	}
	if now, err := w.admin().Revision(t.Context()); err != nil || now.ID != revision.ID {
		t.Errorf("revision %s became %s: %v", revision.ID, now.ID, err)
	}
}

// tlsLoad sends requests, each on a new connection, until what it returns is called, which tells their number and the failures.
func (w *world) tlsLoad(host string) (stop func() (int, []error)) {
	ctx, cancel := context.WithCancel(w.t.Context())
	type result struct {
		count  int
		failed []error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		transport := &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // Certificates change.
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+w.values["PORT"])
			},
		}
		for ctx.Err() == nil {
			r.count++
			request, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, "https://"+host+"/", nil)
			response, err := transport.RoundTrip(request)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.StatusCode != 200 {
					err = fmt.Errorf("status %d", response.StatusCode)
				}
			}
			if err != nil {
				r.failed = append(r.failed, err)
			}
		}
		done <- r
	}()
	return func() (int, []error) {
		cancel()
		r := <-done
		return r.count, r.failed
	}
}

// page returns a page of the management API.
func (w *world) page(path string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(w.state, "admin.sock"))
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		w.t.Fatalf("%s: status %d, %v", path, response.StatusCode, err)
	}
	return string(text)
}

// TestKeysStayWhereTheyBelong looks for private keys in all that is shown or written.
func TestKeysStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	key, err := os.ReadFile(filepath.Join(w.dir, "bank.key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(key), "\n")[1]
	w.eventually("bank is shown", func() bool {
		c, err := w.handshake("PORT", "api.bank.test")
		return err == nil && commonName(c) == "bank-1"
	})
	dump, err := w.envoys["edge-1"].Admin().Get(t.Context(), "/config_dump?include_eds")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{"the daemon's log": w.log.String(), "Envoy's config dump": string(dump)}
	for _, path := range []string{"/metrics", "/v1/nodes", "/v1/revision"} {
		pages[path] = w.page(path)
	}
	for name, text := range pages {
		if text == "" {
			t.Errorf("%s is empty", name)
		}
		if strings.Contains(text, secret) || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("%s holds a private key", name)
		}
	}
	if !strings.Contains(pages["/metrics"], `gatehouse_certificate_expires_seconds{certificate="bank"} 7.`) {
		t.Errorf("no metric tells when the certificate expires: %s", pages["/metrics"])
	}
}
