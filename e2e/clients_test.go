//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
)

// TestClientHeadersAreStripped holds that nothing a client says in headers by which Gatehouse or Envoy speaks comes through,
// whatever kind of route takes the request, while Gatehouse answers and while it is away; and no policy may say it either.
func TestClientHeadersAreStripped(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t, "testdata/clients")
	tokens := []string{token(t, map[string]any{"sub": "alice"})}
	lies := []string{
		"x-gatehouse-subject: mallory", "X-Gatehouse-Subject: mallory", "x-gatehouse-issuer: https://login.mallory.test", "x-gatehouse-node: edge/mallory",
		"x-gatehouse-new: mallory", "x-envoy-auth-failure-mode-allowed: true", "connection: x-gatehouse-subject, x-gatehouse-issuer",
	}
	check := func(path string, want map[string]string, headers ...string) {
		t.Helper()
		got := w.get(w.url("PORT", path), slices.Concat(lies, headers)...).echoed(t)
		for name, values := range got.Headers {
			told := strings.HasPrefix(name, envoy.HeaderPrefix) || name == envoy.HeaderFailureModeAllowed
			if told && (len(values) != 1 || values[0] != want[name]) {
				t.Errorf("%s: the backend is told %s: %q, want %q", path, name, values, want[name])
			}
		}
		for name := range want {
			if len(got.Headers[name]) == 0 {
				t.Errorf("%s: the backend is not told %s", path, name)
			}
		}
	}
	alice := map[string]string{
		envoy.HeaderSubject: "alice", envoy.HeaderIssuer: nordhaven().issuer, envoy.HeaderConsumer: "alice", envoy.HeaderIdentity: "jwt",
	}
	for _, path := range []string{"/public", "/open", "/limited", "/forward/one", "/forward/two"} {
		check(path, nil)
		check(path, nil, tokens...) // A token that nobody verified tells nothing.
	}
	check("/token", alice, tokens...)
	check("/closed", alice, tokens...)
	w.stopServer()
	check("/public", nil)
	check("/token", alice, tokens...)
	check("/open", map[string]string{envoy.HeaderFailureModeAllowed: "true"}) // Said by Envoy, and it is so.
	check("/limited", nil)
}

// TestClientAddress holds whose word about the client's address counts: a limit by address tells.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t, "testdata/clients")
	for _, step := range []struct {
		port, forwarded string
		status          int
		why             string
	}{
		{"PORT", "198.51.100.1", 200, "the peer's first"},
		{"PORT", "198.51.100.2", 429, "nobody is believed: it is the peer again"},
		{"PORT", "", 429, "it is the peer again"},

		{"HOPS_PORT", "198.51.100.1", 200, "the one proxy in front is believed"},
		{"HOPS_PORT", "198.51.100.2", 200, "another client of that proxy"},
		{"HOPS_PORT", "203.0.113.9, 198.51.100.2", 429, "what the client itself said before the proxy counts for nothing"},
		{"HOPS_PORT", "198.51.100.2, 198.51.100.3", 200, "the proxy's word is the last"},

		{"PROXIES_PORT", "198.51.100.1", 200, "the peer is one of the proxies"},
		{"PROXIES_PORT", "198.51.100.2", 200, "another client of it"},
		{"PROXIES_PORT", "203.0.113.9, 198.51.100.2", 429, "what stands before an address that is no proxy counts for nothing"},
		{"PROXIES_PORT", "198.51.100.4, 192.0.2.7, 192.0.2.8", 200, "a chain of proxies"},
		{"PROXIES_PORT", "198.51.100.4, 192.0.2.9", 429, "the same client by another way"},

		{"STRANGERS_PORT", "198.51.100.1", 200, "the peer is no proxy: it is the peer's first"},
		{"STRANGERS_PORT", "198.51.100.2", 429, "it is the peer again"},
		{"STRANGERS_PORT", "198.51.100.3, 192.0.2.7", 429, "a proxy's address in the list makes no proxy of the peer"},
	} {
		var headers []string
		if step.forwarded != "" {
			headers = append(headers, "x-forwarded-for: "+step.forwarded)
		}
		if a := w.get(w.url(step.port, "/once"), headers...); a.status != step.status {
			t.Errorf("%s, x-forwarded-for %q: status %d, want %d: %s", step.port, step.forwarded, a.status, step.status, step.why)
		}
	}
}

// TestProxyProtocol holds that the address counts that a load balancer says in front of a connection, and that a connection
// without it gets no answer.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t, "testdata/clients")
	for _, step := range []struct {
		says   string
		status int
	}{
		{"PROXY TCP4 198.51.100.1 127.0.0.1 40000 80\r\n", 200},
		{"PROXY TCP4 198.51.100.2 127.0.0.1 40000 80\r\n", 200},
		{"PROXY TCP4 198.51.100.2 127.0.0.1 40001 80\r\n", 429},
		{"", 0},
	} {
		if got := w.behindBalancer(step.says); got != step.status {
			t.Errorf("after %q: status %d, want %d", step.says, got, step.status)
		}
	}
}

// behindBalancer sends a request on a connection that begins with a text, and returns the status, or 0 for no answer.
func (w *world) behindBalancer(begin string) int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+w.values["BALANCER_PORT"])
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		w.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%sGET /once HTTP/1.1\r\nhost: bank.test\r\nx-forwarded-for: 203.0.113.%d\r\n\r\n", begin, len(begin)); err != nil {
		w.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
