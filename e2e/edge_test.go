//go:build e2e

package e2e_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatehouse/gatehouse/internal/testcert"
)

// edgeDocuments are a Gateway with listeners that differ in what they take from clients, and in what they say of TLS.
const edgeDocuments = `schema: 1
kind: Gateway
name: edge
bounds: {header-count: 20}
listeners:
  - name: https
    address: 127.0.0.1
    port: ${PORT}
    tls:
      certificate: bank
      ciphers: [ECDHE-ECDSA-AES256-GCM-SHA384]
      curves: [P-384, P-256]
      hsts: {days: 365, subdomains: true}
  - {name: revoking, address: 127.0.0.1, port: ${REVOKING_PORT}, tls: {certificate: bank, clients: {mode: required, ca: ./clients.pem, crl: ./revoked.pem}}}
  - {name: http, address: 127.0.0.1, port: ${PLAIN_PORT}, hosts: [api.bank.test], redirect: https}
  - {name: tight, address: 127.0.0.1, port: ${TIGHT_PORT}, bounds: {headers: 1s, request: 1s, header-size: 8KiB, streams: 7, requests-per-connection: 3}}
  - {name: idle, address: 127.0.0.1, port: ${IDLE_PORT}, bounds: {idle: 1s}}
  - {name: quiet, address: 127.0.0.1, port: ${QUIET_PORT}, bounds: {quiet: 1s}}
  - {name: old, address: 127.0.0.1, port: ${OLD_PORT}, bounds: {connection-age: 1s}}
  - {name: few, address: 127.0.0.1, port: ${FEW_PORT}, bounds: {connections: 2}}
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
kind: Upstream
name: chat
endpoints: [{address: "${CHAT}"}]
timeout: 1s
---
kind: Upstream
name: witness
endpoints: [{address: "${WITNESS}"}]
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks: {inline: ${KEYS}}
---
kind: API
name: site
version: v1
expose: [{gateway: edge}]
to: payments
authenticate: none
operations:
  - {id: all, path: /**}
  - {id: headers, path: /headers, headers: {response: {set: {strict-transport-security: max-age=1}}}}
  - {id: witness, path: /witness/**, to: witness}
  - {id: private, to: witness, path: /private, authenticate: {jwt: nordhaven}}
  - {id: chat, path: /chat, to: chat, authenticate: {jwt: nordhaven}, upgrades: [websocket]}
---
kind: Route
name: calls
protocol: grpc
expose: {gateway: edge}
call: {service: bank.Payments, method: Pay}
to: witness
authenticate: none
`

// newEdge starts a daemon and an Envoy with the documents above. revoked is a client whose certificate is.
func newEdge(t *testing.T) (w *world, n *witness, good, revoked *tls.Certificate) {
	t.Helper()
	address, _ := backend(t, "bank", "")
	n = &witness{}
	w = prepare(t, map[string]string{"bank.yaml": edgeDocuments}, map[string]string{
		"BACKEND": address, "CHAT": chatBackend(t), "WITNESS": n.listen(t), "KEYS": quickstartKeys(t),
	})
	w.certificate("bank", "bank-1", "api.bank.test")
	clients := newClientAuthority(t)
	good, revoked = clients.client(t, testcert.Client{Common: "good"}), clients.client(t, testcert.Client{Common: "revoked"})
	list, err := clients.Revoke(revoked)
	if err != nil {
		t.Fatal(err)
	}
	w.write("clients.pem", string(clients.PEM))
	w.write("revoked.pem", string(list))
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	return w, n, good, revoked
}

// chatBackend takes what any request asks its connection to become, and sends back what comes then.
func chatBackend(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, err = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: %s\r\n\r\n", r.Header.Get("upgrade"))
		if err == nil {
			_, _ = io.Copy(c, buffered) // Until the client has gone.
		}
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// TestEdge holds what listeners take from clients, and what they say of TLS.
func TestEdge(t *testing.T) {
	t.Parallel()
	w, n, good, revoked := newEdge(t)
	t.Run("at the same time", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *world){
			"ciphers and curves": ciphersAndCurves, "hsts": hsts, "websocket": webSocket, "sizes": sizes, "slow requests": slowRequests,
			"requests on a connection": requestsOnAConnection, "connections": fewConnections, "streams": fewStreams,
			"connections that end": connectionsEnd, "a quiet request": quietRequest, "spoofed headers": lies,
			"calls of gRPC":       func(t *testing.T, w *world) { callsOfGRPC(t, w, n) },
			"smuggling":           func(t *testing.T, w *world) { smuggling(t, w, n) },
			"smuggling by frames": func(t *testing.T, w *world) { smugglingByFrames(t, w, n) },
			"elsewhere":           func(t *testing.T, w *world) { otherPlaces(t, w, n) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, w)
			})
		}
	})
	if !w.admitted("REVOKING_PORT", good) || w.admitted("REVOKING_PORT", revoked) {
		t.Error("a client is admitted just where its certificate is revoked")
	}
}

func ciphersAndCurves(t *testing.T, w *world) {
	only := func(version, cipher uint16, curves ...tls.CurveID) func(*tls.Config) {
		return func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites, c.CurvePreferences = version, []uint16{cipher}, curves
		}
	}
	const wanted, other = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	for name, step := range map[string]struct {
		offer func(*tls.Config)
		good  bool
	}{
		"the cipher":         {only(tls.VersionTLS12, wanted, tls.CurveP384, tls.CurveP256), true},
		"another cipher":     {only(tls.VersionTLS12, other, tls.CurveP384, tls.CurveP256), false},
		"the curve":          {only(tls.VersionTLS13, wanted, tls.CurveP384), true},
		"the curve after it": {only(tls.VersionTLS13, wanted, tls.CurveP256), true},
		"another curve":      {only(tls.VersionTLS13, wanted, tls.X25519), false},
	} {
		if _, err := w.handshake("PORT", "api.bank.test", step.offer); (err == nil) != step.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func hsts(t *testing.T, w *world) {
	const name, said = "strict-transport-security", "max-age=31536000; includeSubDomains"
	for _, step := range []struct {
		path   string
		status int
		want   string
	}{{"/", 200, said}, {"/private", 401, said}, {"/headers", 200, "max-age=1"}} {
		c, err := w.handshake("PORT", "api.bank.test")
		if err != nil {
			t.Fatal(err)
		}
		if a := w.ask(c, "api.bank.test", step.path); a.status != step.status || a.header.Get(name) != step.want {
			t.Errorf("%s: status %d, %q", step.path, a.status, a.header.Get(name))
		}
	}
	for port, status := range map[string]int{"PLAIN_PORT": 308, "TIGHT_PORT": 200} { // RFC 6797 7.2: never without TLS.
		if a := w.get(w.url(port, "/"), "host: api.bank.test"); a.status != status || a.header.Get(name) != "" {
			t.Errorf("%s: status %d, %q", port, a.status, a.header.Get(name))
		}
	}
}

// asksToUpgrade sends a request for a WebSocket and returns the connection with the status that was answered.
func asksToUpgrade(t *testing.T, w *world, path, header string) (net.Conn, *bufio.Reader, int) {
	t.Helper()
	c := dialTCP(t, "127.0.0.1:"+w.values["IDLE_PORT"])
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nhost: api.bank.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", path, header)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // What follows a 101 is read from the connection.
	return c, in, resp.StatusCode
}

func webSocket(t *testing.T, w *world) {
	alice := token(t, map[string]any{"sub": "alice"}) + "\r\n"
	for _, step := range []struct {
		path, header string
		status       int
	}{{"/chat", "", 401}, {"/private", alice, 403}, {"/site", "", 403}} {
		if _, _, status := asksToUpgrade(t, w, step.path, step.header); status != step.status {
			t.Errorf("%s becomes a WebSocket with status %d, want %d", step.path, status, step.status)
		}
	}
	c, in, status := asksToUpgrade(t, w, "/chat", alice)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	// For longer than the upstream may take for an answer.
	for begin := time.Now(); time.Since(begin) < 1500*time.Millisecond; {
		_, err := io.WriteString(c, "ping\n")
		line, err2 := in.ReadString('\n')
		if err := errors.Join(err, err2); err != nil || line != "ping\n" {
			t.Fatalf("after %s: %q, %v", time.Since(begin), line, err)
		}
	}
}

// tell sends a text on a connection of its own and returns the status of the answer, 0 where there is none.
func tell(t *testing.T, w *world, port, text string) int {
	t.Helper()
	c := dialTCP(t, "127.0.0.1:"+w.values[port])
	if c == nil {
		return 0
	}
	_, _ = io.WriteString(c, text) // It may hang up before all is written.
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s neither answers nor hangs up after %.60q", port, text)
		}
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func sizes(t *testing.T, w *world) {
	const begin = "GET / HTTP/1.1\r\nhost: api.bank.test\r\n"
	for name, test := range map[string]struct {
		text   string
		status int
	}{
		"few headers":  {begin + strings.Repeat("x-a: b\r\n", 10) + "\r\n", 200},
		"many headers": {begin + strings.Repeat("x-a: b\r\n", 21) + "\r\n", 431}, // As the Gateway says.
		"small":        {begin + "x-a: " + strings.Repeat("b", 7<<10) + "\r\n\r\n", 200},
		"large":        {begin + "x-a: " + strings.Repeat("b", 9<<10) + "\r\n\r\n", 431},
		"a long path":  {"GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 431},
	} {
		if got := tell(t, w, "TIGHT_PORT", test.text); got != test.status {
			t.Errorf("%s: status %d, want %d", name, got, test.status)
		}
	}
}

func slowRequests(t *testing.T, w *world) {
	for name, text := range map[string]string{
		"headers": "GET / HTTP/1.1\r\nhost: api.bank.test\r\nx-slow: ",
		"body":    "POST / HTTP/1.1\r\nhost: api.bank.test\r\ncontent-length: 10\r\n\r\n1",
		"chunks":  "POST / HTTP/1.1\r\nhost: api.bank.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tell(t, w, "TIGHT_PORT", text); got != http.StatusRequestTimeout {
				t.Errorf("status %d", got)
			}
		})
	}
}

func requestsOnAConnection(t *testing.T, w *world) {
	c := dialTCP(t, "127.0.0.1:"+w.values["TIGHT_PORT"])
	for i := range 3 {
		if a := w.ask(c, "api.bank.test", "/"); a.status != 200 {
			t.Errorf("request %d: status %d", i+1, a.status)
		}
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after three requests the connection stays: %v", err)
	}
}

func fewConnections(t *testing.T, w *world) {
	var open []net.Conn
	for range 2 {
		c := dialTCP(t, "127.0.0.1:"+w.values["FEW_PORT"])
		if a := w.ask(c, "api.bank.test", "/"); a.status != 200 {
			t.Fatalf("status %d", a.status)
		}
		open = append(open, c)
	}
	if got := tell(t, w, "FEW_PORT", "GET / HTTP/1.1\r\nhost: api.bank.test\r\n\r\n"); got != 0 {
		t.Errorf("a third connection gets %d", got)
	}
	_ = open[0].Close()
	w.eventually("another one fits again", func() bool {
		return tell(t, w, "FEW_PORT", "GET / HTTP/1.1\r\nhost: api.bank.test\r\nconnection: close\r\n\r\n") == 200
	})
}

func fewStreams(t *testing.T, w *world) {
	c := dialTCP(t, "127.0.0.1:"+w.values["TIGHT_PORT"])
	_, err := io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	if err := errors.Join(err, f.WriteSettings()); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := frame.(*http2.SettingsFrame); ok && !s.IsAck() {
			if most, _ := s.Value(http2.SettingMaxConcurrentStreams); most != 7 {
				t.Errorf("%d streams at a time", most)
			}
			return
		}
	}
}

func connectionsEnd(t *testing.T, w *world) {
	idle, old := dialTCP(t, "127.0.0.1:"+w.values["IDLE_PORT"]), dialTCP(t, "127.0.0.1:"+w.values["OLD_PORT"])
	in := bufio.NewReader(old)
	for last := false; !last; { // Told at the first answer after its time.
		_, err := io.WriteString(old, "GET / HTTP/1.1\r\nhost: api.bank.test\r\nx-echo-delay: 100ms\r\n\r\n")
		resp, err2 := http.ReadResponse(in, nil)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		last = resp.Close
	}
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection without a request does not end: %v", err)
	}
}

func quietRequest(t *testing.T, w *world) {
	text := "GET / HTTP/1.1\r\nhost: api.bank.test\r\nx-echo-delay: 15s\r\n\r\n"
	if got := tell(t, w, "QUIET_PORT", text); got != http.StatusGatewayTimeout && got != http.StatusRequestTimeout {
		t.Errorf("status %d", got)
	}
}

// callsOfGRPC sends to the path of a call what is one and what is none.
func callsOfGRPC(t *testing.T, w *world, n *witness) {
	for contentType, call := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "application/grpc-web": false, "application/json": false,
	} {
		before := len(n.all())
		a, err := w.do("POST", w.url("IDLE_PORT", "/bank.Payments/Pay"), "host: calls.test", "content-type: "+contentType)
		reached := slices.Contains(n.all()[before:], "calls.test /bank.Payments/Pay")
		if err != nil || a.status != 200 || reached != call {
			t.Errorf("%s: status %d, %v, reached the upstream of calls: %t", contentType, a.status, err, reached)
		}
	}
}
