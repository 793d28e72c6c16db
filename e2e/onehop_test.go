//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/server"
)

// onehop is an API whose limits are counted by two ways: by the Check where a policy is asked, by a call of their own where
// none is.
const onehop = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
timeouts: {authorization: 2s, limits: 2s}
trust: {hops: 1}
limit-headers: both
---
kind: Upstream
name: bank
endpoints: [{address: "${FIRST}"}]
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks: {file: ./keys.json}
---
kind: Policy
name: anybody
rego: |
  package anybody
  allow := {"allowed": true, "headers": {"x-seen": "yes"}, "response_headers_to_add": {"x-said": "welcome"}} if {
    input.parsed_query.say
  } else := false if {
    input.parsed_query.no
  } else := true
---
kind: API
name: bank
version: v1
expose: [{gateway: edge}]
authenticate: none
to: bank
limits:
  - {name: address, key: client.address, limit: 20, per: 1m}
  - {name: header, key: [header.x-customer, client.address], limit: 4, per: 90s}
operations:
  - {id: counted, path: /counted}
  - {id: checked, path: /checked, authorize: [anybody]}
---
kind: API
name: token
version: v1
expose: [{gateway: edge, base: /token}]
authenticate: {jwt: nordhaven}
to: bank
limits:
  - {name: subject, key: [token.sub, token.bank.branch], limit: 4, per: 1h}
operations:
  - {id: counted, path: /counted}
  - {id: checked, path: /checked, authorize: [anybody]}
`

func newOneHop(t *testing.T) *world {
	t.Helper()
	w := oneHopWorld(t, onehop)
	w.startEnvoy("edge", "edge-1")
	return w
}

// oneHopWorld starts a daemon on documents, without an Envoy.
func oneHopWorld(t *testing.T, documents string) *world {
	t.Helper()
	keys, err := os.ReadFile(filepath.Join(quickstart, "issuer.jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := backend(t, "first", "")
	return newWorld(t, map[string]string{"bank.yaml": documents, "keys.json": string(keys)}, map[string]string{"FIRST": first})
}

// sameRequest returns a problem document as it would be of a request of no name.
func sameRequest(body string) string {
	return regexp.MustCompile(`"request_id":"[^"]+"`).ReplaceAllString(body, "")
}

// resets returns a RateLimit header without its times: a second may pass between two requests.
func resets(text string) string { return regexp.MustCompile(`;t=[0-9]+`).ReplaceAllString(text, "") }

// left returns what an answer says that remains of the limit of which it tells first, empty where it tells of none.
func left(a answer) string {
	found := regexp.MustCompile(`^"[^"]*";r=([0-9]+);t=[0-9]+`).FindStringSubmatch(a.header.Get("ratelimit"))
	if found == nil {
		return ""
	}
	return found[1]
}

// limitHeaders returns what an answer tells about limits, and of a refusal all of it.
func limitHeaders(a answer) map[string][]string {
	told := map[string][]string{"status": {strconv.Itoa(a.status)}}
	for name, values := range a.header {
		switch name := strings.ToLower(name); {
		case name == "ratelimit":
			told[name] = []string{resets(values[0])}
		case strings.HasPrefix(name, "x-ratelimit-reset"), name == "retry-after": // A second may pass between two requests.
			told[name] = []string{fmt.Sprint(len(values))}
		case strings.HasPrefix(name, "x-ratelimit"), name == "ratelimit-policy", name == "x-envoy-ratelimited", name == "content-type":
			told[name] = values
		}
	}
	return told
}

// TestOneHop counts requests by both ways from the same buckets: what is answered is the same, whichever way a request went.
func TestOneHop(t *testing.T) {
	t.Parallel()
	w := newOneHop(t)
	token := func(claims map[string]any) string { return token(t, claims) }
	branch := map[string]any{"branch": "nord"}
	for i, c := range []struct {
		base    string
		headers []string
	}{
		{"", []string{"x-forwarded-for: 192.0.2.1"}},
		{"", []string{"x-forwarded-for: 192.0.2.2", "x-customer: anna"}},
		{"", []string{"x-forwarded-for: 2001:db8::1", "x-customer: anna"}},
		{"", []string{"x-forwarded-for: 198.51.100.7, 192.0.2.3", "x-customer:  ben "}},
		{"", []string{"x-forwarded-for: 192.0.2.4", "x-customer: "}},
		{"/token", []string{token(map[string]any{"sub": "alice"})}},
		{"/token", []string{token(map[string]any{"sub": "alice", "bank": branch})}},
		{"/token", []string{token(map[string]any{"sub": "carol", "bank": "nord"})}},
		{"/token", []string{token(map[string]any{"sub": "dora", "bank": map[string]any{"branch": 7}})}},
		{"/token", []string{token(map[string]any{"sub": "emil", "bank": map[string]any{"branch": ""}})}},
	} {
		for n := range 6 {
			way := []string{"/counted", "/checked"}[n%2]
			a := w.get(w.url("PORT", c.base+way), c.headers...)
			want, remain := 200, fmt.Sprint(3-n)
			if n > 3 {
				want, remain = 429, "0"
			}
			if a.status != want || a.header.Get("x-ratelimit-remaining") != remain {
				t.Errorf("case %d, request %d, to %s: %d and %v, want %d and %s remaining", i, n+1, way, a.status, a.header, want, remain)
			}
		}
		byCall, byCheck := w.get(w.url("PORT", c.base+"/counted"), c.headers...), w.get(w.url("PORT", c.base+"/checked"), c.headers...)
		if diff := cmp.Diff(limitHeaders(byCall), limitHeaders(byCheck)); diff != "" {
			t.Errorf("case %d: a refusal by a call of its own (-) and by the Check (+):\n%s", i, diff)
		}
		if one, other := sameRequest(byCall.body), sameRequest(byCheck.body); one != other || one == byCall.body {
			t.Errorf("case %d: bodies differ:\n%s\n%s", i, byCall.body, byCheck.body)
		}
	}
}

// TestOneHopAnswers holds what a client and an upstream get of an allowed request, and that a denied one spends nothing.
func TestOneHopAnswers(t *testing.T) {
	t.Parallel()
	w := newOneHop(t)
	byCall, byCheck := w.get(w.url("PORT", "/counted")), w.get(w.url("PORT", "/checked?say=1"))
	left := func(a answer) string { return a.header.Get("x-ratelimit-remaining") } // Of the tighter one of two.
	if left(byCall) != "3" || left(byCheck) != "2" {
		t.Errorf("%s and %s remain, want 3 and 2", left(byCall), left(byCheck))
	}
	if got, want := byCheck.header.Get("x-ratelimit-limit"), byCall.header.Get("x-ratelimit-limit"); got != want {
		t.Errorf("x-ratelimit-limit is %q by the Check, %q by a call of its own", got, want)
	}
	if byCheck.header.Get("x-said") != "welcome" || len(byCheck.echoed(t).Headers["x-seen"]) != 1 {
		t.Errorf("what the policy says is lost: %+v", byCheck)
	}
	if got := byCheck.echoed(t).Headers["x-gatehouse-client"]; got != nil {
		t.Errorf("the upstream is told %q", got)
	}
	for range 30 {
		if a := w.get(w.url("PORT", "/checked?no=1")); a.status != http.StatusForbidden || a.header.Get("x-ratelimit-limit") != "" {
			t.Fatalf("denied: %+v", a)
		}
	}
	if got := left(w.get(w.url("PORT", "/counted"))); got != "1" {
		t.Errorf("%s remain after denials, want 1", got)
	}
	w.get(w.url("PORT", "/checked"))
	w.get(w.url("PORT", "/checked"))
	for _, want := range []string{
		`gatehouse_authorization_decisions_total{api="bank",result="limited",version="v1"} 1`,
		`gatehouse_authorization_decisions_total{api="bank",result="allowed",version="v1"} 2`,
		`gatehouse_authorization_decisions_total{api="bank",result="denied",version="v1"} 30`,
		`gatehouse_limit_requests_total{api="bank",limit="header",operation="",result="spent",version="v1"} 4`,
		`gatehouse_limit_requests_total{api="bank",limit="header",operation="",result="refused",version="v1"} 1`,
	} {
		w.eventually("the metrics hold "+want, func() bool { return strings.Contains(w.metrics(), want+"\n") })
	}
}

// TestOneHopTriedAgain ends the connection of a Check before its answer arrives: the Check is made once more, and its limits
// count the request once.
func TestOneHopTriedAgain(t *testing.T) {
	t.Parallel()
	w := oneHopWorld(t, strings.ReplaceAll(onehop, "limit: 4,", "limit: 1000,"))
	a := w.server.Addrs()
	checks, address := cutBefore(t, a.Authz)
	w.startEnvoyWith("edge", "edge-1", envoy.Services{
		XDS: []string{a.XDS}, Authz: []string{address}, RateLimit: []string{a.RateLimit}, AccessLog: []string{a.AccessLog},
	})
	alice := token(t, map[string]any{"sub": "alice"})
	for i := range 20 {
		if got := w.get(w.url("PORT", "/token/checked"), alice); got.status != 200 { // The connection is there.
			t.Fatalf("request %d: %+v", i, got)
		}
		checks.armed.Store(1)
		if got := w.get(w.url("PORT", "/token/checked"), alice); got.status != 200 {
			t.Errorf("request %d, tried again: %+v", i, got)
		}
		if checks.cuts.Load() != int64(i+1) {
			t.Error("no connection was cut")
		}
	}
	if got := w.get(w.url("PORT", "/token/counted"), alice).header.Get("x-ratelimit-remaining"); got != "959" {
		t.Errorf("%s remain of the limit, want 959", got)
	}
}

// TestOneHopStoreAway stops the store of limits: a Check goes on without limits where the route is open then, and the request is
// counted as let through; where it is closed the route answers 503, whatever its authorization says.
func TestOneHopStoreAway(t *testing.T) {
	t.Parallel()
	store := needs.Redis(t)
	address, err := redis.ParseAddress("unix:" + store.Socket)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := backend(t, "first", "")
	w := prepare(t, map[string]string{"bank.yaml": strings.ReplaceAll(outage, "limits: [{", "authorize: [anybody], limits: [{")}, map[string]string{"FIRST": first})
	w.tune = func(o *server.Options) { o.Limits = &redis.Options{Address: address, Timeout: patience} }
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	for _, path := range []string{"/limited", "/other/limited"} {
		w.eventually(path+" is counted", func() bool { return left(w.get(w.url("PORT", path))) != "" })
	}
	store.Stop()
	w.eventually("the store is away", func() bool { return strings.Contains(w.metrics(), "gatehouse_limit_store_up 0\n") })
	if a := w.get(w.url("PORT", "/limited")); a.status != 200 || left(a) != "" {
		t.Errorf("open, with the store away: %+v", a)
	}
	if a := w.get(w.url("PORT", "/other/limited")); a.status != 503 || a.header.Get("retry-after") == "" || a.problem(t) != "authorization-away" {
		t.Errorf("closed, with the store away: %+v", a)
	}
	if a := w.get(w.url("PORT", "/denied")); a.status != 403 {
		t.Errorf("denied, with the store away: %+v", a)
	}
	w.eventually("the request is counted as let through", func() bool {
		return strings.Contains(w.metrics(), `gatehouse_let_through_total{api="bank",call="limits"} 1`)
	})
	store.Start(t)
	for _, path := range []string{"/limited", "/other/limited"} {
		w.eventually(path+" is counted again", func() bool { return left(w.get(w.url("PORT", path))) == "999" })
	}
}

// TestOneHopDaemonAway stops the daemon: of an API's two failure modes the stricter holds for routes whose Check spends limits.
func TestOneHopDaemonAway(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	documents := strings.ReplaceAll(outage, "limits: [{", "authorize: [anybody], limits: [{")
	documents += strings.NewReplacer("name: other", "name: lax", "/other", "/lax", "limits: closed}", "limits: open}").Replace(documents[strings.LastIndex(documents, "---"):])
	w := newWorld(t, map[string]string{"bank.yaml": documents}, map[string]string{"FIRST": first})
	w.startEnvoy("edge", "edge-1")
	w.stopServer()
	for path, want := range map[string]int{
		"/limited": 503, "/other/limited": 503, "/other/decided": 200, "/lax/limited": 200, "/lax/decided": 200,
	} {
		if a := w.get(w.url("PORT", path)); a.status != want {
			t.Errorf("%s: %+v, want %d", path, a, want)
		}
	}
}

// TestOneHopGRPC refuses a caller by gRPC beyond a limit as the rate limit filter does.
func TestOneHopGRPC(t *testing.T) {
	t.Parallel()
	w := newOneHop(t)
	for range 4 {
		w.get(w.url("PORT", "/checked"))
	}
	byCall, byCheck := w.call("/counted"), w.call("/checked")
	if byCall.Code() != codes.ResourceExhausted || byCheck.Code() != byCall.Code() || byCheck.Message() != byCall.Message() {
		t.Errorf("by a call of its own %v, by the Check %v", byCall, byCheck)
	}
}
