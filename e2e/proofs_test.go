//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/server"
)

// proofDocuments are routes that take all that Gatehouse judges, on a Gateway that believes one proxy in front of it.
const proofDocuments = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
trust: {hops: 1}
---
kind: Gateway
name: alone
fleet: edge
listeners: [{name: http, address: 127.0.0.1, port: ${ALONE_PORT}}]
---
kind: Upstream
name: bank
endpoints: [{address: "${BACKEND}"}]
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks: {inline: ${KEYS}}
---
kind: Issuer
name: opaque
issuer: https://id.nordhaven.test
introspection: {url: "${ISSUER}", client: gateway, secret: env:INTROSPECTION_SECRET, timeout: 5s}
---
kind: Policy
name: told
rego: |
  package told
  who := input.gatehouse.identity
  allow := {"allowed": true, "headers": {"x-who": concat(" ", [object.get(who, f, "-") | some f in ["kind", "consumer", "application"]])}}
---
kind: API
name: bank
version: v1
expose: [{gateway: edge}, {gateway: alone}]
to: bank
authorize: [told]
operations:
  - id: mixed
    path: /mixed
    authenticate:
      any:
        - {jwt: nordhaven}
        - {key: {header: x-api-key}}
        - {key: {query: api_key}}
        - {key: {cookie: api_key}}
        - {introspection: opaque}
        - {anonymous: guest}
  - {id: known, path: /known, authenticate: {any: [{jwt: nordhaven}, {key: {header: x-api-key}}, {introspection: opaque}]}}
  - {id: key, path: /key, authenticate: {key: {header: x-api-key}}}
  - {id: basic, path: /basic, authenticate: {key: {header: authorization}}}
  - {id: opaque, path: /opaque, authenticate: {introspection: opaque, scopes: [pay]}}
  - {id: both, path: /both, authenticate: {all: [{jwt: nordhaven}, {key: {header: x-api-key}}]}}
  - {id: token, path: /token, authenticate: {jwt: nordhaven}}
---
kind: Route
name: plain
expose: {gateway: edge}
match: {path: /plain}
to: bank
authenticate: {jwt: nordhaven}
`

// proving is a bank whose callers prove themselves by all that Gatehouse judges.
type proving struct {
	*world
	issuer *opaqueIssuer
}

// opaqueIssuer answers about tokens by RFC 7662.
type opaqueIssuer struct {
	url         string
	asked, down atomic.Int64
}

const introspectionSecret = "a secret of the gateway: %+ü"

func newOpaqueIssuer(t *testing.T) *opaqueIssuer {
	t.Helper()
	o := &opaqueIssuer{}
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		client, _, _ := r.BasicAuth()
		switch token := r.PostFormValue("token"); {
		case o.down.Load() != 0:
			w.WriteHeader(http.StatusBadGateway)
		case client != "gateway" || r.Method != http.MethodPost:
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasPrefix(token, "good-"):
			_, _ = fmt.Fprintf(w, `{"active": true, "sub": "alice", "scope": "pay", "client_id": "till", "exp": %d}`, time.Now().Add(time.Hour).Unix())
		case token == "narrow":
			_, _ = fmt.Fprint(w, `{"active": true, "sub": "bob", "scope": "payroll"}`)
		default:
			_, _ = fmt.Fprint(w, `{"active": false}`)
		}
	}))
	t.Cleanup(served.Close)
	o.url = served.URL
	return o
}

// newProving starts the bank, and an Envoy in front of it.
func newProving(t *testing.T) *proving {
	t.Helper()
	return newProvingWith(t, quickstartKeys(t))
}

// newProvingWith is newProving with keys of the issuer's own.
func newProvingWith(t *testing.T, keys string) *proving {
	t.Helper()
	address, _ := backend(t, "bank", "")
	issuer := newOpaqueIssuer(t)
	w := prepare(t, map[string]string{"bank.yaml": proofDocuments}, map[string]string{"BACKEND": address, "KEYS": keys, "ISSUER": issuer.url})
	w.tune = func(o *server.Options) {
		o.Lookup = func(name string) (string, bool) { return introspectionSecret, name == "INTROSPECTION_SECRET" }
	}
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	if _, err := w.admin().CreateApplication(t.Context(), admin.ApplicationGrant{ID: "till", Team: "payments"}); err != nil {
		t.Fatal(err)
	}
	return &proving{world: w, issuer: issuer}
}

// key makes a key of the application till.
func (w *proving) key(addresses ...string) admin.CreatedKey {
	w.t.Helper()
	made, err := w.admin().CreateKey(w.t.Context(), "till", admin.KeyGrant{Addresses: addresses})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// TestProofsByTheCheck shows each kind of proof on one route that takes them all: it is accepted, policies are told of it, and the
// upstream never gets the key.
func TestProofsByTheCheck(t *testing.T) {
	t.Parallel()
	w := newProving(t)
	key := w.key()
	alice := token(t, map[string]any{"sub": "alice", "azp": "app"})
	byKey := "key " + key.ID + " till"
	for name, test := range map[string]struct {
		path    string
		headers []string
		status  int
		who     string // As the policy told the upstream; in a refusal, the reason.
	}{
		"a token":                     {"/mixed", []string{alice}, 200, "jwt alice app"},
		"a key in the header":         {"/mixed", []string{"x-api-key: " + key.Text}, 200, byKey},
		"a key in the query":          {"/mixed?a=1&api_key=" + key.Text + "&b=2", nil, 200, byKey},
		"a key in a spelt query":      {"/mixed?a=1&%61pi_key=" + key.Text + "&b=2", nil, 200, byKey},
		"a key in a cookie":           {"/mixed", []string{"cookie: a=1; api_key=" + key.Text + "; b=2"}, 200, byKey},
		"a key in the only cookie":    {"/mixed", []string{"cookie: api_key=" + key.Text}, 200, byKey},
		"an opaque token":             {"/mixed", []string{"authorization: Bearer good-1"}, 200, "introspection alice till"},
		"nothing":                     {"/mixed", nil, 200, "anonymous guest -"},
		"a wrong key":                 {"/mixed", []string{"x-api-key: " + key.Text + "a"}, 401, "key-invalid"},
		"a token and a key":           {"/mixed", []string{alice, "x-api-key: " + key.Text}, 200, "jwt alice app"},
		"a token and a key in each":   {"/mixed?api_key=" + key.Text, []string{alice, "x-api-key: " + key.Text, "cookie: api_key=" + key.Text}, 200, "jwt alice app"},
		"two keys in the query":       {"/mixed?api_key=" + key.Text + "&api_key=" + key.Text, nil, 401, "key-invalid"},
		"a token that is not active":  {"/opaque", []string{"authorization: Bearer other"}, 401, "token-invalid"},
		"a token without the scope":   {"/opaque", []string{"authorization: Bearer narrow"}, 403, "scope-missing"},
		"both, and only one is shown": {"/both", []string{alice}, 401, "key-missing"},
		"both":                        {"/both", []string{alice, "x-api-key: " + key.Text}, 200, "jwt alice app"},
	} {
		a := w.get(w.url("PORT", test.path), append(test.headers, "x-who: mallory", "x-forwarded-for: 192.0.2.1")...)
		if a.status != test.status {
			t.Errorf("%s: status %d, want %d: %s", name, a.status, test.status, a.body)
			continue
		}
		if a.status != http.StatusOK {
			if got := a.reason(t); got != test.who {
				t.Errorf("%s: reason %q, want %q", name, got, test.who)
			}
			continue
		}
		if got := a.echoed(t); strings.Join(got.Headers["x-who"], ",") != test.who {
			t.Errorf("%s: the policy was told %q, want %q", name, got.Headers["x-who"], test.who)
		} else if who := told(got); who != test.who+" -" {
			t.Errorf("%s: the upstream was told %q, want %q", name, who, test.who)
		}
		if strings.Contains(a.body, key.Text) || strings.Contains(strings.ToLower(a.body), "api_key") {
			t.Errorf("%s: the upstream got the key: %s", name, strings.ReplaceAll(a.body, key.Text, "KEY"))
		}
	}
	kept := w.get(w.url("PORT", "/mixed?a=1&api_key="+key.Text+"&b=2"), "cookie: a=1; api_key="+key.Text+"; b=2").echoed(t)
	if kept.Query != "a=1&b=2" || strings.Join(kept.Headers["cookie"], "") != "a=1; b=2" {
		t.Errorf("beside the key the upstream gets %q and %q", kept.Query, kept.Headers["cookie"])
	}
	if log := w.log.String(); strings.Contains(log, key.Text) || strings.Contains(log, introspectionSecret) || strings.Contains(log, "good-1") {
		t.Error("the log holds a secret")
	}
}

// TestKeyRevoked revokes a key that is in use: within a second nobody gets in by it.
func TestKeyRevoked(t *testing.T) {
	t.Parallel()
	w := newProving(t)
	key := w.key()
	get := func() int { return w.get(w.url("PORT", "/key"), "x-api-key: "+key.Text).status }
	if got := get(); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	if err := w.admin().RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.eventually("the key is refused", func() bool { return get() == http.StatusUnauthorized })
	if took := time.Since(began); took > time.Second {
		t.Errorf("a revoked key was good for %s", took)
	}
}

// TestIssuerOfOpaqueTokensAway takes the issuer away: a token that is remembered goes on, any other gets 503 and never 200 or 401,
// and the issuer is asked again when it is back.
func TestIssuerOfOpaqueTokensAway(t *testing.T) {
	t.Parallel()
	w := newProving(t)
	show := func(path, token string) answer { return w.get(w.url("PORT", path), "authorization: Bearer "+token) }
	if a := show("/opaque", "good-1"); a.status != http.StatusOK {
		t.Fatalf("before: %+v", a)
	}
	w.issuer.down.Store(1)
	for i := range 20 {
		for _, path := range []string{"/opaque", "/known", "/mixed"} {
			a := show(path, fmt.Sprintf("good-away-%d", i))
			if a.status != http.StatusServiceUnavailable || a.problem(t) != "identity-away" || a.reason(t) != "issuer-away" || a.header.Get("retry-after") == "" {
				t.Fatalf("%s with another token, while the issuer is away: %+v", path, a)
			}
			if a := show(path, "good-1"); a.status != http.StatusOK {
				t.Errorf("%s with a remembered token: %+v", path, a)
			}
		}
	}
	if asked := w.issuer.asked.Load(); asked > 10 {
		t.Errorf("an issuer that fails was asked %d times", asked)
	}
	if a := show("/known", ""); a.status != http.StatusUnauthorized {
		t.Errorf("who shows nothing: %+v", a)
	}
	for _, want := range []string{`gatehouse_introspections_total{result="failed"} 5`, `gatehouse_introspections_total{result="answered"} 1`, "gatehouse_wrong_guesses_total 0"} {
		if !strings.Contains(w.metrics(), want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	w.issuer.down.Store(0)
	w.eventually("the issuer is asked again", func() bool { return show("/opaque", "good-2").status == http.StatusOK })
}
