//go:build e2e

package e2e_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// upstreamDocuments are Upstreams that show one thing each, and a Route to each of them below its name.
func upstreamDocuments() map[string]string {
	const three = `endpoints: [{address: "${A}"}, {address: "${B}"}, {address: "${C}"}]`
	upstreams := map[string]string{
		"by-header":  three + "\nbalance: {method: ring-hash, by: header.x-user}",
		"by-query":   three + "\nbalance: {method: maglev, by: query.user}",
		"by-address": three + "\nbalance: {method: ring-hash, by: address}",
		"sticky":     three + "\nbalance: {method: maglev, by: cookie.session, ttl: 1h}",
		"failover":   "endpoints: [{address: \"${DEAD}\"}, {address: \"${B}\", priority: 1}]\nhealth: {check: tcp, interval: 100ms, unhealthy: 1}",
		"preferred":  "endpoints: [{address: \"${A}\"}, {address: \"${B}\", priority: 1}]\nhealth: {check: tcp, interval: 1s}",
		"zones": `endpoints: [{address: "${A}", zone: west}, {address: "${B}", zone: east}, {address: "${C}", zone: west}]
balance: {method: round-robin, zones: own-first}`,
		"ejects": "endpoints: [{address: \"${A}\"}, {address: \"${BROKEN}\"}]\neject: {errors: 2, for: 1h}\nbalance: round-robin",
		"tries": `endpoints: [{address: "${A}"}, {address: "${BROKEN}"}]
balance: round-robin
retries: {on: [5xx], attempts: 2, backoff: {base: 1ms, max: 2ms}}`,
		"statuses": `endpoints: [{address: "${A}"}, {address: "${BROKEN}"}]
balance: round-robin
retries: {statuses: [500], methods: all, attempts: 2, backoff: {base: 1ms}}`,
		"panics": "endpoints: [{address: \"${A}\"}]\nhealth: {path: /healthz, statuses: [\"204\"], interval: 100ms, unhealthy: 1}",
		"never-panics": "endpoints: [{address: \"${A}\"}]\nbalance: {panic: 0%}\n" +
			"health: {path: /healthz, statuses: [\"204\"], interval: 100ms, unhealthy: 1}",
		"plain": "endpoints: [{address: \"${A}\"}]",
	}
	documents := map[string]string{"gateway.yaml": `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
`}
	for name, text := range upstreams {
		documents[name+".yaml"] = fmt.Sprintf("schema: 1\nkind: Upstream\nname: %s\n%s\n---\nkind: Route\nname: %[1]s\nexpose: {gateway: edge}\n"+
			"match: {path: /%[1]s}\nto: %[1]s\nauthenticate: none\n", name, text)
	}
	documents["apis.yaml"] = `schema: 1
kind: API
name: timed
version: v1
expose: [{gateway: edge, base: /timed}]
to: plain
authenticate: none
timeouts: {request: 15s}
operations:
  - {id: quick, path: /quick, timeouts: {request: 50ms}}
  - {id: stream, path: /stream, timeouts: {stream: 50ms}}
  - {id: usual, path: /usual}
---
kind: API
name: narrow
version: v1
expose: [{gateway: edge, base: /narrow}]
to: plain
authenticate: none
bulkhead: {requests: 4, connections: 4, pending: 2}
---
kind: API
name: learns
version: v1
expose: [{gateway: edge, base: /learns}]
to: plain
authenticate: none
adaptive-concurrency: {most: 3}
`
	return documents
}

// TestUpstreams shows by real traffic what Upstreams say about their endpoints.
func TestUpstreams(t *testing.T) {
	t.Parallel()
	values := map[string]string{"DEAD": fmt.Sprintf("127.0.0.1:%d", needs.Port(t))}
	for _, name := range []string{"A", "B", "C"} {
		values[name], _ = backend(t, name, "")
	}
	values["BROKEN"], _ = backendWith(t, echo.Settings{Name: "broken", Status: http.StatusInternalServerError}, "")
	w := prepare(t, upstreamDocuments(), values)
	w.zones = map[string]string{"edge-1": "east"}
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	if faults := w.revision().Faults; len(faults) > 0 {
		t.Fatal(faults)
	}
	for name, test := range map[string]func(upstreamCases, *testing.T){
		"by header":            upstreamCases.byHeader,
		"by query":             upstreamCases.byQuery,
		"by address":           upstreamCases.byAddress,
		"sticky":               upstreamCases.sticky,
		"priority":             upstreamCases.priority,
		"health":               upstreamCases.health,
		"own zone first":       upstreamCases.ownZone,
		"ejection":             upstreamCases.ejection,
		"retries":              upstreamCases.retries,
		"panic":                upstreamCases.panics,
		"timeouts":             upstreamCases.timeouts,
		"bulkhead":             upstreamCases.bulkhead,
		"adaptive concurrency": upstreamCases.adaptive,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := *w
			own.t = t
			test(upstreamCases{&own}, t)
		})
	}
}

// upstreamCases are the cases of TestUpstreams.
type upstreamCases struct{ *world }

// names returns who answers each of some requests.
func (u upstreamCases) names(t *testing.T, n int, path string, headers ...string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for range n {
		a, err := u.do(http.MethodGet, u.url("PORT", path), headers...)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %v %s", path, a.status, err, a.body)
		}
		out[a.echoed(t).Name]++
	}
	return out
}

// scatters holds that requests of one key go to one endpoint, and those of many to several.
func (u upstreamCases) scatters(t *testing.T, request func(key string) (path string, headers []string)) {
	t.Helper()
	seen := map[string]bool{}
	for key := range 20 {
		path, headers := request(fmt.Sprint("user-", key))
		got := u.names(t, 4, path, headers...)
		if len(got) != 1 {
			t.Errorf("requests of one key are answered by %v", got)
		}
		for name := range got {
			seen[name] = true
		}
	}
	if len(seen) < 2 {
		t.Errorf("requests of 20 keys are answered by %v alone", seen)
	}
}

func (u upstreamCases) byHeader(t *testing.T) {
	u.scatters(t, func(key string) (string, []string) { return "/by-header", []string{"x-user: " + key} })
}

func (u upstreamCases) byQuery(t *testing.T) {
	u.scatters(t, func(key string) (string, []string) { return "/by-query?user=" + key, nil })
}

func (u upstreamCases) byAddress(t *testing.T) {
	if got := u.names(t, 12, "/by-address"); len(got) != 1 {
		t.Errorf("requests of one address are answered by %v", got)
	}
}

// sticky holds that a session stays with its endpoint, and that its cookie tells nothing about that.
func (u upstreamCases) sticky(t *testing.T) {
	a := u.get(u.url("PORT", "/sticky"))
	set := a.header.Get("set-cookie")
	cookie, _, _ := strings.Cut(set, ";")
	if !strings.HasPrefix(cookie, "session=") || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "Max-Age=3600") {
		t.Fatalf("the session's cookie is %q", set)
	}
	if got := u.names(t, 12, "/sticky", "cookie: "+cookie); len(got) != 1 || got[a.echoed(t).Name] != 12 {
		t.Errorf("%s began the session, %v answer it", a.echoed(t).Name, got)
	}
	value := strings.Trim(strings.TrimPrefix(cookie, "session="), `"`)
	plain, _ := base64.StdEncoding.DecodeString(value)
	for _, name := range []string{"A", "B", "C"} {
		_, port, _ := net.SplitHostPort(u.values[name])
		if strings.Contains(value, port) || strings.Contains(string(plain), port) {
			t.Errorf("the cookie %q tells the port of an endpoint", value)
		}
	}
	if again := u.get(u.url("PORT", "/sticky"), "cookie: "+cookie).header.Get("set-cookie"); again != "" {
		t.Errorf("who has a cookie gets another one: %q", again)
	}
}

func (u upstreamCases) priority(t *testing.T) {
	u.eventually("the second priority answers for a dead first", func() bool {
		a, err := u.do(http.MethodGet, u.url("PORT", "/failover"))
		return err == nil && a.status == http.StatusOK && a.echoed(t).Name == "B"
	})
	if got := u.names(t, 12, "/preferred"); got["A"] != 12 {
		t.Errorf("with a healthy first priority %v answer", got)
	}
}

// health holds that an Envoy tells how it sees endpoints: who fails its checks, and who is ejected.
func (u upstreamCases) health(t *testing.T) {
	sees := func(upstream, address, trouble string) {
		u.eventually(upstream+": "+trouble, func() bool {
			_, _ = u.do(http.MethodGet, u.url("PORT", "/"+upstream))
			all, err := u.envoys["edge-1"].Admin().Endpoints(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(all, func(e envoy.EndpointHealth) bool {
				return strings.HasPrefix(e.Cluster, upstream+"~") && e.Address == u.values[address] && strings.Join(e.Troubles, " ") == trouble
			})
		})
	}
	sees("failover", "DEAD", "fails its checks")
	sees("failover", "B", "")
	sees("ejects", "BROKEN", "ejected")
}

func (u upstreamCases) ownZone(t *testing.T) {
	if got := u.names(t, 12, "/zones"); got["B"] != 12 {
		t.Errorf("an Envoy in the east is answered by %v", got)
	}
}

func (u upstreamCases) ejection(t *testing.T) {
	u.eventually("who fails is left out", func() bool {
		for range 10 {
			if a, err := u.do(http.MethodGet, u.url("PORT", "/ejects")); err != nil || a.status != http.StatusOK {
				return false
			}
		}
		return true
	})
}

// retries holds that failed answers are asked for again by methods that may be repeated, and by others only where that is said.
func (u upstreamCases) retries(t *testing.T) {
	u.names(t, 20, "/tries")
	failed := 0
	for range 20 {
		a, err := u.do(http.MethodPost, u.url("PORT", "/tries"))
		if err != nil {
			t.Fatal(err)
		}
		if a.status == http.StatusInternalServerError {
			failed++
		}
		if again, err := u.do(http.MethodPost, u.url("PORT", "/statuses")); err != nil || again.status != http.StatusOK {
			t.Errorf("a POST that may be repeated gets %d, %v", again.status, err)
		}
	}
	if failed == 0 {
		t.Error("no POST got the answer of the endpoint that fails")
	}
	if header := u.get(u.url("PORT", "/tries")).echoed(t).Headers; len(header["x-envoy-retry-on"]) > 0 {
		t.Errorf("the endpoint is told %v", header["x-envoy-retry-on"])
	}
}

func (u upstreamCases) panics(t *testing.T) {
	u.names(t, 5, "/panics")
	u.eventually("nobody is asked who is not healthy", func() bool {
		a, err := u.do(http.MethodGet, u.url("PORT", "/never-panics"))
		return err == nil && a.status == http.StatusServiceUnavailable
	})
	u.names(t, 5, "/panics")
}

func (u upstreamCases) timeouts(t *testing.T) {
	const delay = "x-echo-delay: 300ms"
	if a := u.get(u.url("PORT", "/timed/quick"), "x-echo-delay: 10s"); a.status != http.StatusGatewayTimeout {
		t.Errorf("an operation with a timeout of its own answers %d", a.status)
	}
	if a := u.get(u.url("PORT", "/timed/stream"), "x-echo-delay: 10s"); a.status != http.StatusGatewayTimeout && a.status != http.StatusRequestTimeout {
		t.Errorf("a stream that lasts too long ends with %d", a.status)
	}
	if a := u.get(u.url("PORT", "/timed/usual"), delay); a.status != http.StatusOK {
		t.Errorf("an operation with the API's timeout answers %d", a.status)
	}
}

// bulkhead fills the places of one API with requests that last long. Who comes then is refused at once; another API of the same
// Upstream has places of its own, and its latencies are those of an Envoy on which nothing is slow: of 200 the second slowest is far
// from what it would be behind one of the slow ones.
func (u upstreamCases) bulkhead(t *testing.T) {
	const slow = 15 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	var refused atomic.Int64
	u.eventually("who comes when all places are taken is refused", func() bool {
		group.Go(func() {
			if status := u.held(ctx, "/narrow/slow", slow); status == http.StatusServiceUnavailable {
				refused.Add(1)
			}
		})
		return refused.Load() > 3
	})
	var took []time.Duration
	for range 100 {
		for _, path := range []string{"/timed/usual", "/plain"} {
			began := time.Now()
			u.names(t, 1, path)
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	if p99 := took[len(took)*99/100-1]; p99 > slow/3 {
		t.Errorf("beside a slow API the others' p99 is %s", p99)
	}
	t.Logf("p99 beside a slow API: %s, median %s", took[len(took)*99/100-1], took[len(took)/2])
}

// held sends a request that lasts long, and returns the status of its answer; 0 where ctx ended before.
func (u upstreamCases) held(ctx context.Context, path string, delay time.Duration) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url("PORT", path), http.NoBody)
	if err != nil {
		u.t.Error(err)
		return 0
	}
	r.Header.Set("x-echo-delay", delay.String())
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0
	}
	_ = a.Body.Close()
	return a.StatusCode
}

// adaptive holds that an operation has no more requests under way than Envoy has learnt to be good.
func (u upstreamCases) adaptive(t *testing.T) {
	var group sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range 30 {
		group.Go(func() {
			a, err := u.do(http.MethodGet, u.url("PORT", "/learns/all"), "x-echo-delay: 300ms")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[a.status]++
		})
	}
	u.names(t, 5, "/plain")
	group.Wait()
	if got[http.StatusOK] == 0 || got[http.StatusServiceUnavailable] == 0 {
		t.Errorf("30 requests at once for 3 places: %v", got)
	}
}
