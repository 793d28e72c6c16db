//go:build e2e

package e2e_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// outage has a route for each way in which a request may depend on Gatehouse.
const outage = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
timeouts: {authorization: 2s, limits: 2s}
---
kind: Upstream
name: bank
endpoints: [{address: "${FIRST}"}]
---
kind: Policy
name: anybody
rego: |
  package anybody
  allow := true
---
kind: Policy
name: nobody
rego: |
  package nobody
  allow := false
---
kind: API
name: bank
version: v1
expose: [{gateway: edge}]
authenticate: none
to: bank
operations:
  - {id: public, path: /public}
  - {id: decided, path: /decided, authorize: [anybody]}
  - {id: denied, path: /denied, authorize: [nobody]}
  - {id: limited, path: /limited, limits: [{name: all, limit: 1000, per: 1m}]}
---
kind: API
name: other
version: v1
expose: [{gateway: edge, base: /other}]
authenticate: none
to: bank
when-away: {authorization: open, limits: closed}
operations:
  - {id: decided, path: /decided, authorize: [anybody]}
  - {id: denied, path: /denied, authorize: [nobody]}
  - {id: limited, path: /limited, limits: [{name: all, limit: 1000, per: 1m}]}
`

// whole is what the routes answer while all runs.
func whole() map[string]int {
	return map[string]int{
		"/public": 200, "/decided": 200, "/denied": 403, "/limited": 200,
		"/other/decided": 200, "/other/denied": 403, "/other/limited": 200,
	}
}

// checkAway checks what the routes answer while the daemon is away: without a hop as ever, with one by their failure mode.
func (w *world) checkAway() {
	w.t.Helper()
	for path, want := range map[string]struct {
		status  int
		problem string
	}{
		"/public":        {200, ""},
		"/decided":       {503, "authorization-away"},
		"/denied":        {503, "authorization-away"},
		"/limited":       {200, ""},
		"/other/decided": {200, ""},
		"/other/denied":  {200, ""}, // It fails open, as its document says.
		"/other/limited": {503, "limits-away"},
	} {
		a := w.get(w.url("PORT", path))
		if a.status != want.status {
			w.t.Errorf("without the daemon %s answers %d, want %d: %s", path, a.status, want.status, a.body)
			continue
		}
		if want.problem != "" && (a.problem(w.t) != want.problem || a.header.Get("retry-after") == "") {
			w.t.Errorf("without the daemon %s: %+v", path, a)
		}
	}
}

// TestDaemonAway stops the daemon: what needs it answers as its failure mode says, all else goes on; when the daemon is
// back, everything is as before, and nothing is sent to the Envoy again.
func TestDaemonAway(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	w := newWorld(t, map[string]string{"bank.yaml": outage}, map[string]string{"FIRST": first})
	w.startEnvoy("edge", "edge-1")
	with := whole()
	for path, want := range with {
		if a := w.get(w.url("PORT", path)); a.status != want {
			t.Errorf("with the daemon %s answers %d, want %d: %s", path, a.status, want, a.body)
		}
	}
	if sent := w.synced("edge-1").Sent; sent == 0 {
		t.Error("the Envoy was sent nothing at its start: the count of bytes is wrong")
	}

	w.stopServer()
	w.checkAway()
	// A client cannot pretend that the service was away.
	if a := w.get(w.url("PORT", "/decided"), "x-envoy-auth-failure-mode-allowed: true"); a.status != 503 {
		t.Errorf("a forged failure header lets a request through: %+v", a)
	}

	w.startServer()
	n := w.synced("edge-1")
	for _, kind := range n.Types {
		if kind.Responses > 0 {
			t.Errorf("after a restart %d bytes of %s were sent again", kind.Bytes, kind.Type)
		}
	}
	for path, want := range with {
		w.eventually(path+" answers as before", func() bool { return w.get(w.url("PORT", path)).status == want })
	}
	if a := w.get(w.url("PORT", "/other/denied"), "x-envoy-auth-failure-mode-allowed: true"); a.status != 403 {
		t.Errorf("a forged failure header opens a route that fails open: %+v", a)
	}
}

// TestEnvoyRestarts replaces the Envoy by a new process of the same name.
func TestEnvoyRestarts(t *testing.T) {
	t.Parallel()
	w := newBank(t)
	w.stopEnvoy(w.envoys["edge-1"])
	w.startEnvoy("edge", "edge-1")
	alice := token(t, map[string]any{"sub": "alice"})
	if a := w.get(w.url("PORT", "/payments/alice"), alice); a.status != 200 {
		t.Errorf("after a restart of Envoy: %+v", a)
	}
}

// TestBackendDies kills one of two backends: the other one takes over, and no request fails.
func TestBackendDies(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	second, stopSecond := backend(t, "second", "")
	documents := site()
	documents["site.yaml"] = strings.Replace(documents["site.yaml"], `endpoints: [{address: "${FIRST}"}]`,
		`endpoints: [{address: "${FIRST}"}, {address: "${SECOND}"}]
retries: {attempts: 2, budget: 100%}
health: {path: /, interval: 200ms, timeout: 1s, unhealthy: 1}`, 1)
	w := newWorld(t, documents, map[string]string{"FIRST": first, "SECOND": second})
	w.startEnvoy("edge", "edge-1")
	seen := map[string]bool{}
	w.eventually("both backends answer", func() bool {
		seen[w.get(w.url("PORT", "/")).echoed(t).Name] = true
		return len(seen) == 2
	})
	stopSecond()
	for range 50 {
		a := w.get(w.url("PORT", "/"))
		if a.status != 200 || a.echoed(t).Name != "first" {
			t.Errorf("after a backend's end: %+v", a)
		}
	}
}

// TestMetrics finds what happened in /metrics, as the access log told it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newBank(t)
	alice := token(t, map[string]any{"sub": "alice"})
	w.get(w.url("PORT", "/payments/alice"), alice)
	w.get(w.url("PORT", "/payments/bob"), alice)
	w.get(w.url("PORT", "/payments/alice"))
	for _, want := range []string{
		`gatehouse_requests_total{api="payments",class="2xx",operation="listPayments",version="v1"} 1`,
		`gatehouse_requests_total{api="payments",class="4xx",operation="listPayments",version="v1"} 2`,
		`gatehouse_request_duration_seconds_count{api="payments",version="v1"} 3`,
		`gatehouse_authorization_decisions_total{api="payments",result="allowed",version="v1"} 1`,
		`gatehouse_authorization_decisions_total{api="payments",result="denied",version="v1"} 1`,
		`gatehouse_limit_requests_total{api="payments",limit="per-customer",operation="",result="spent",version="v1"} 1`,
		`gatehouse_ready 1`,
		`gatehouse_nodes{envoy="1.40.0",fleet="edge",state="synced"} 1`,
		`gatehouse_nodes_too_old{fleet="edge"} 0`,
	} {
		w.eventually("the metrics hold "+want, func() bool { return strings.Contains(w.metrics(), want+"\n") })
	}
	if all := w.metrics(); strings.Contains(all, `gatehouse_let_through_total{api="payments"`) {
		t.Errorf("answered calls are counted as let through:\n%s", all)
	}
}

// metrics returns what /metrics says, over the management socket.
func (w *world) metrics() string {
	w.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(w.server.Addrs().Admin, "unix:"))
		},
	}}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://admin/metrics", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}
