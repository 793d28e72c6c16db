//go:build e2e

package e2e_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/join"
	"github.com/gatehouse/gatehouse/server"
)

// host is one Envoy's place on another host, as far as a test can make one: nothing of the daemon's is reached but by TLS.
type host struct {
	w        *world
	settings envoy.Settings
	kept     join.Kept
	token    string
}

// newFar starts a daemon that serves Envoys of other hosts, whose certificates live for a time.
func newFar(t *testing.T, documents map[string]string, life time.Duration, change ...func(*server.Remote)) *world {
	t.Helper()
	needs.Envoy(t)
	first, _ := backend(t, "first", "")
	w := prepare(t, documents, map[string]string{"FIRST": first})
	w.remote = server.Remote{Nodes: "127.0.0.1:0", Join: "127.0.0.1:0", Life: life}
	for _, c := range change {
		c(&w.remote)
	}
	w.startServer()
	return w
}

// token makes a token.
func (w *world) joinToken(g admin.Grant) string {
	w.t.Helper()
	made, err := w.admin().CreateToken(w.t.Context(), g)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Text
}

// joined lets a node join.
func (w *world) joined(fleet, node string) *host {
	w.t.Helper()
	h := &host{w: w, token: w.joinToken(grantFor(fleet))}
	h.join(node)
	return h
}

// join lets the host join by its token, as `gatehouse nodes join` does.
func (h *host) join(node string) {
	w := h.w
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	server := w.server.Addrs().Join
	key, answer, err := join.Join(ctx, join.First{Server: server, Token: h.token, Node: node})
	if err != nil {
		w.t.Fatal(err)
	}
	if h.settings.Dir == "" {
		h.settings.Dir = needs.SocketDir(w.t)
	}
	h.settings.Fleet, h.settings.Node, h.settings.TrustDomain = answer.Fleet, answer.Node, answer.Domain
	h.kept = join.Kept{Server: server, Domain: answer.Domain, Fleet: answer.Fleet, Node: answer.Node}
	if err := h.place().Write(key, answer); err != nil {
		w.t.Fatal(err)
	}
	at := answer.Services
	if _, err := envoy.Prepare(h.settings, envoy.Services{XDS: at, Authz: at, RateLimit: at, AccessLog: at}); err != nil {
		w.t.Fatal(err)
	}
}

func (h *host) place() join.Place { return join.Place{Settings: h.settings} }

// envoy starts the host's Envoy.
func (h *host) envoy() *envoy.Child {
	w := h.w
	w.t.Helper()
	child, err := envoy.Launch(context.WithoutCancel(w.t.Context()), envoy.Start{
		Binary: needs.Envoy(w.t), Bootstrap: h.settings.BootstrapFile(), Admin: h.settings.AdminSocket(), Concurrency: 1,
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.stopEnvoy(child) })
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := child.WaitReady(ctx); err != nil {
		w.t.Fatalf("envoy %s is not ready: %v", h.settings.Node, err)
	}
	return child
}

// renewing keeps the host's certificate fresh until the test ends, or stop is called.
func (h *host) renewing() (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.w.t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		r := join.Renewer{Place: h.place(), Kept: h.kept, Log: slog.New(slog.NewTextHandler(h.w.log, nil))}
		if err := r.Run(ctx); err != nil {
			h.w.t.Errorf("renew: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	h.w.t.Cleanup(stop)
	return stop
}

// expires returns when the host's certificate does.
func (h *host) expires() time.Time {
	h.w.t.Helper()
	at, err := h.place().Expires()
	if err != nil {
		h.w.t.Fatal(err)
	}
	return at
}

// until waits for a time.
func (w *world) until(at time.Time) {
	w.t.Helper()
	select {
	case <-time.After(time.Until(at)):
	case <-w.t.Context().Done():
		w.t.Fatal("the test ended")
	}
}

// TestFar runs an Envoy that reaches the daemon by mutual TLS alone: everything works as it does on a socket.
func TestFar(t *testing.T) {
	t.Parallel()
	w := newFar(t, map[string]string{"all.yaml": outage}, time.Hour)
	h := w.joined("edge", "edge-1")
	h.envoy()
	for path, want := range whole() {
		if a := w.get(w.url("PORT", path)); a.status != want {
			t.Errorf("%s: status %d, want %d: %s", path, a.status, want, a.body)
		}
	}
	n := w.synced("edge-1")
	if !strings.HasPrefix(n.Address, "127.0.0.1:") {
		t.Errorf("the node's address is %q, want one of TCP", n.Address)
	}
	w.eventually("the access log has come", func() bool { return strings.Contains(w.metrics(), `gatehouse_requests_total{api="bank"`) })
	w.noSecrets(h)
}

// noSecrets holds the log against what must not be in it.
func (w *world) noSecrets(hosts ...*host) {
	w.t.Helper()
	text := w.log.String()
	if strings.Contains(text, join.TokenPrefix) || strings.Contains(text, "PRIVATE KEY") {
		w.t.Error("the log holds a token or a key")
	}
	for _, h := range hosts {
		_, secret, _ := strings.Cut(strings.TrimPrefix(h.token, join.TokenPrefix), "_")
		if len(secret) > 20 && strings.Contains(text, secret[:20]) {
			w.t.Error("the log holds a token's secret")
		}
	}
}

// TestFarAfterExpiry restarts an Envoy when its first certificate has expired: renewed in time, it serves; and while it
// serves, no renewal loses a request.
func TestFarAfterExpiry(t *testing.T) {
	t.Parallel()
	w := newFar(t, map[string]string{"all.yaml": outage}, 6*time.Second)
	h := w.joined("edge", "edge-1")
	h.renewing()
	child := h.envoy()
	first := h.expires()
	requests := 0
	for time.Now().Before(first.Add(3 * time.Second)) { // Renewals, the first certificate's end, and ends of connections by age.
		if a := w.get(w.url("PORT", "/decided")); a.status != 200 {
			t.Fatalf("request %d: status %d: %s", requests, a.status, a.body)
		}
		if a := w.get(w.url("PORT", "/other/limited")); a.status != 200 && a.status != 429 {
			t.Fatalf("request %d: status %d: %s", requests, a.status, a.body)
		}
		requests++
	}
	if !h.expires().After(first) {
		t.Fatal("the certificate was not renewed")
	}
	t.Logf("%d requests while the certificate was renewed", requests)
	w.stopEnvoy(child)
	h.envoy()
	if a := w.get(w.url("PORT", "/decided")); a.status != 200 {
		t.Errorf("restarted after its first certificate expired: status %d: %s", a.status, a.body)
	}
	w.noSecrets(h)
}

// grantFor returns the usual token of a fleet.
func grantFor(fleet string) admin.Grant { return admin.Grant{Fleet: fleet} }

// TestHostWasOff lets an Envoy's certificate expire while its host is off. On again, the Envoy waits, and serves as soon as
// the certificate is renewed, which its expiry does not prevent.
func TestHostWasOff(t *testing.T) {
	t.Parallel()
	w := newFar(t, map[string]string{"all.yaml": outage}, 2*time.Second)
	h := w.joined("edge", "edge-1")
	w.until(h.expires().Add(time.Second))
	started := make(chan struct{})
	go func() {
		defer close(started)
		h.renewing() // Beside the Envoy, which starts first or last.
	}()
	h.envoy()
	<-started
	if a := w.get(w.url("PORT", "/decided")); a.status != 200 {
		t.Errorf("after the host was off: status %d: %s", a.status, a.body)
	}
	if !h.expires().After(time.Now()) {
		t.Error("the certificate was not renewed")
	}
}
