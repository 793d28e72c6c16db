//go:build e2e

package e2e_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/internal/testcert"
)

// streamDocuments are a Gateway that passes on TLS by name and TCP by port, beside a listener of HTTP.
const streamDocuments = `schema: 1
kind: Gateway
name: edge
listeners:
  - {name: http, address: 127.0.0.1, port: ${PORT}}
  - {name: secure, address: 127.0.0.1, port: ${TLS_PORT}, protocol: tls, hosts: ["*.bank.test", ledger.test]}
  - {name: database, address: 127.0.0.1, port: ${TCP_PORT}, protocol: tcp}
  - {name: spare, address: 127.0.0.1, port: ${SPARE_PORT}, protocol: tcp}
---
kind: Upstream
name: branches
endpoints: [{address: "${BRANCHES}"}]
---
kind: Upstream
name: ledger
endpoints: [{address: "${LEDGER}"}]
---
kind: Upstream
name: first
endpoints: [{address: "${FIRST}"}]
---
kind: Upstream
name: second
endpoints: [{address: "${SECOND}"}]
---
kind: Route
name: branches
protocol: tls
expose: {gateway: edge, listener: secure, hosts: ["*.bank.test"]}
to: branches
---
kind: Route
name: ledger
protocol: tls
expose: {gateway: edge, listener: secure, hosts: [ledger.test, ledger.bank.test]}
to: ledger
stream: {attempts: 3}
---
kind: Route
name: database
protocol: tcp
expose: {gateway: edge, listener: database}
to: first
stream: {idle: 5m}
---
kind: Route
name: site
expose: {gateway: edge}
to: first
authenticate: none
`

// tlsBackend is an echo backend that ends TLS itself, with a certificate that names it.
func tlsBackend(t *testing.T, name string) string {
	t.Helper()
	chain, key, err := testcert.Make(testcert.Settings{Common: name, Hosts: []string{"any.test"}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler, err := echo.New(echo.Settings{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	secure := tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	go func() { ended <- echo.Serve(ctx, secure, handler, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("backend %s: %v", name, err)
		}
	})
	return l.Addr().String()
}

// TestStreams passes on connections by the name that a client asks for and by the port to which it comes. Where Routes, shares and
// Upstreams change, those that are open stay.
func TestStreams(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	second, _ := backend(t, "second", "")
	w := newWorld(t, map[string]string{"bank.yaml": streamDocuments}, map[string]string{
		"BRANCHES": tlsBackend(t, "branches"), "LEDGER": tlsBackend(t, "ledger"), "FIRST": first, "SECOND": second,
	})
	w.startEnvoy("edge", "edge-1")
	asked := func(name string) string {
		c, err := w.handshake("TLS_PORT", name)
		if err != nil {
			return ""
		}
		if a := w.ask(c, name, "/x"); a.status != 200 || a.echoed(t).Name != commonName(c) {
			t.Errorf("%s: %+v", name, a)
		}
		return commonName(c)
	}
	for name, want := range map[string]string{
		"south.bank.test": "branches", "a.south.bank.test": "branches", "ledger.test": "ledger", "LEDGER.bank.test": "ledger", "other.test": "", "bank.test": "", "": "",
	} {
		if got := asked(name); got != want {
			t.Errorf("who asks for %q meets %q, want %q", name, got, want)
		}
	}
	held, err := w.handshake("TLS_PORT", "south.bank.test")
	if err != nil {
		t.Fatal(err)
	}
	plain := dialTCP(t, "127.0.0.1:"+w.values["TCP_PORT"])
	passed := func(c net.Conn, want string) {
		t.Helper()
		if a := w.ask(c, "any.test", "/x"); a.echoed(t).Name != want || len(a.echoed(t).Headers["x-forwarded-for"]) > 0 {
			t.Errorf("passed on to %s, want %s", a.body, want)
		}
	}
	passed(plain, "first")
	if a := w.get(w.url("PORT", "/x")); a.echoed(t).Name != "first" || len(a.echoed(t).Headers["x-forwarded-for"]) == 0 {
		t.Errorf("HTTP beside it: %+v", a)
	}

	changed := strings.Replace(streamDocuments, "listener: database}\nto: first", "listener: database}\nto: [{upstream: second, weight: 1}]", 1)
	changed = strings.Replace(changed, "bank.test\"]}\nto: branches", "bank.test\"]}\nto: ledger\nstream: {idle: 10m}", 1)
	changed += "---\nkind: Route\nname: spare\nprotocol: tcp\nexpose: {gateway: edge, listener: spare}\nto: second\n"
	w.change(map[string]string{"bank.yaml": changed})
	w.eventually("new connections are passed on to the other upstreams", func() bool {
		return asked("south.bank.test") == "ledger" && w.get(w.url("TCP_PORT", "/x")).echoed(t).Name == "second"
	})
	w.eventually("a listener with its first Route listens", func() bool {
		a, err := w.do("GET", w.url("SPARE_PORT", "/x"))
		return err == nil && a.echoed(t).Name == "second"
	})
	passed(plain, "first")
	if a := w.ask(held, "south.bank.test", "/x"); a.echoed(t).Name != "branches" {
		t.Errorf("a connection from before: %+v", a)
	}
	w.change(map[string]string{"bank.yaml": strings.Replace(changed, "hosts: [ledger.test, ledger.bank.test]", "hosts: [ledger.test, north.bank.test]", 1)})
	w.eventually("names move", func() bool { return asked("north.bank.test") == "ledger" })
	passed(plain, "first")
	if a := w.ask(held, "south.bank.test", "/x"); a.echoed(t).Name != "branches" {
		t.Errorf("a connection from before names moved: %+v", a)
	}
	stats, err := w.envoys["edge-1"].Admin().Stats(t.Context(), `^listener_manager\.(total_filter_chains_draining|total_listeners_draining)$`)
	if err != nil || stats["listener_manager.total_filter_chains_draining"]+stats["listener_manager.total_listeners_draining"] > 0 {
		t.Errorf("listener manager: %v, %v", stats, err)
	}
	w.change(map[string]string{"bank.yaml": strings.Replace(changed, "name: database\nprotocol: tcp\nexpose: {gateway: edge, listener: database}\nto: [{upstream: second, weight: 1}]\nstream: {idle: 5m}",
		"name: database\nprotocol: tcp\nexpose: {gateway: edge, listener: database}\nto: second\nstream: {idle: 1s}", 1)})
	quiet := dialTCP(t, "127.0.0.1:"+w.values["TCP_PORT"])
	if _, err := quiet.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection on which nothing moves stays: %v", err)
	}
}
