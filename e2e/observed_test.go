//go:build e2e

package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/nameserver"
)

// soon is how fast the change of one API is served, and an Envoy that starts, whatever is dead beside it.
const soon = 3 * time.Second

// unharmed ends a load and fails the test if one request of it failed.
func unharmed(t *testing.T, stop func() (int64, error)) {
	t.Helper()
	sent, wrong := stop()
	if wrong != nil {
		t.Errorf("of %d requests some failed: %v", sent, wrong)
	}
	if sent < 50 {
		t.Errorf("only %d requests were sent: no load", sent)
	}
}

// served waits until every one of some backends, by name, has answered.
func (w *world) served(url string, names ...string) {
	w.t.Helper()
	left := map[string]bool{}
	for _, name := range names {
		left[name] = true
	}
	w.eventually(fmt.Sprintf("%d backends answer", len(names)), func() bool {
		if a := w.get(url); a.status == 200 {
			delete(left, a.echoed(w.t).Name)
		}
		return len(left) == 0
	})
}

// endpoints asks the daemon for those of an Upstream.
func (w *world) endpoints(upstream string) admin.EndpointSet {
	w.t.Helper()
	sets, err := w.admin().Endpoints(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range sets {
		if s.Upstream == upstream {
			return s
		}
	}
	w.t.Fatalf("there is no Upstream %s: %+v", upstream, sets)
	return admin.EndpointSet{}
}

// TestEndpointsFollowNamesAndFiles scales a backend from 1 to 20 and back, by its name in DNS and by a file, while requests
// flow. Not one fails, no revision is made, and an empty answer changes nothing.
func TestEndpointsFollowNamesAndFiles(t *testing.T) {
	t.Parallel()
	names := nameserver.Start(t)
	var all, hosts []string
	var lines strings.Builder
	port := ""
	for i := range 20 {
		name, host := fmt.Sprintf("backend-%d", i), fmt.Sprintf("127.0.2.%d", i+1)
		address := net.JoinHostPort(host, port)
		if port == "" {
			address = host + ":0"
		}
		bound, _ := backend(t, name, address)
		_, port, _ = net.SplitHostPort(bound)
		all, hosts = append(all, name), append(hosts, host)
		fmt.Fprintf(&lines, "- {address: \"%s\"}\n", bound)
	}
	one := fmt.Sprintf("- {address: \"%s:%s\"}\n", hosts[0], port)
	names.Set("backend.bank.test", nameserver.Answer{Addresses: hosts[:1]})
	documents := site()
	documents["site.yaml"] = strings.Replace(documents["site.yaml"], `"${FIRST}"`, `"backend.bank.test:`+port+`"`, 1)
	documents["file.yaml"] = "schema: 1\nkind: Upstream\nname: file\nendpoints: {file: ./list/endpoints.yaml}\n---\n" +
		"kind: Route\nname: file\nexpose: {gateway: edge, base: /file}\nmatch: {path: /**}\nauthenticate: none\nto: file\n"
	documents["list/endpoints.yaml"] = one
	w := prepare(t, documents, nil)
	w.names = names
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	byName, byFile := w.url("PORT", "/"), w.url("PORT", "/file")
	w.served(byName, all[0])
	w.served(byFile, all[0])
	before := w.revision()

	first, second := w.load(2, byName), w.load(2, byFile)
	for range 2 {
		names.Set("backend.bank.test", nameserver.Answer{Addresses: hosts})
		w.write("list/endpoints.yaml", lines.String())
		w.served(byFile, all...)
		w.served(byName, all...)
		names.Set("backend.bank.test", nameserver.Answer{Addresses: hosts[:1]})
		w.write("list/endpoints.yaml", one)
		for _, upstream := range []string{"site", "file"} {
			w.eventually(upstream+" has one endpoint again", func() bool { return len(w.endpoints(upstream).Endpoints) == 1 })
		}
		w.synced("edge-1")
	}
	names.Set("backend.bank.test", nameserver.Answer{})
	w.write("list/endpoints.yaml", "[]")
	for _, upstream := range []string{"site", "file"} {
		w.eventually("the empty answer of "+upstream+" is held", func() bool { return !w.endpoints(upstream).Held.IsZero() })
	}
	w.write("list/endpoints.yaml", "- {adress: 127.0.0.1:1}")
	w.eventually("the broken file is shown", func() bool { return len(w.revision().Faults) > 0 })
	unharmed(t, first)
	unharmed(t, second)
	if after := w.revision(); after.ID != before.ID {
		t.Errorf("endpoints made the revision %s of %s", after.ID, before.ID)
	}
}

// TestDeadResolver has a name that nobody answers for, from the start: other APIs are served, changed and restarted as ever.
func TestDeadResolver(t *testing.T) {
	t.Parallel()
	names := nameserver.Start(t)
	names.Set("dead.bank.test", nameserver.Answer{Hang: true})
	address, _ := backend(t, "first", "")
	documents := site()
	documents["dead.yaml"] = "schema: 1\nkind: Upstream\nname: dead\nendpoints: [{address: \"dead.bank.test:80\"}]\n---\n" +
		strings.TrimPrefix(strings.Replace(extra("dead", "/dead"), "to: site", "to: dead", 1), "\nschema: 1\n")
	w := prepare(t, documents, map[string]string{"FIRST": address})
	w.names = names
	w.startServer()
	start := time.Now()
	child := w.startEnvoy("edge", "edge-1")
	if got := w.get(w.url("PORT", "/")).status; got != 200 || time.Since(start) > soon {
		t.Errorf("the first Envoy serves another API with %d after %s", got, time.Since(start))
	}
	if got := w.get(w.url("PORT", "/dead")); got.status != 503 {
		t.Errorf("the API whose name is not resolved: %+v", got)
	}
	start = time.Now()
	w.write("cards.yaml", extra("cards", "/cards"))
	w.eventually("the change of another API is served", func() bool { return w.get(w.url("PORT", "/cards")).echoed(t).Path == "/" })
	t.Logf("another API's change took %s", time.Since(start))
	if took := time.Since(start); took > soon {
		t.Errorf("the change of another API took %s", took)
	}
	w.stopEnvoy(child)
	start = time.Now()
	w.startEnvoy("edge", "edge-2")
	if got := w.get(w.url("PORT", "/cards")).status; got != 200 || time.Since(start) > soon {
		t.Errorf("a restarted Envoy serves another API with %d after %s", got, time.Since(start))
	}
	t.Logf("a restarted Envoy took %s", time.Since(start))
	names.Set("dead.bank.test", nameserver.Answer{Addresses: []string{"127.0.0.1"}})
	w.eventually("the name is resolved", func() bool { return len(w.endpoints("dead").Endpoints) == 1 })
}

// TestKeysRotate rotates the keys of an issuer by their file, the old one and the new one overlapping, while requests with
// either flow. Not one fails, no revision is made, and in the end the old key opens nothing.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "first", "")
	documents := site()
	documents["site.yaml"] = strings.Replace(documents["site.yaml"], "authenticate: none", "authenticate: {jwt: bank}", 1) +
		"---\nkind: Issuer\nname: bank\nissuer: https://id.bank.test\njwks: {file: ./keys/bank.json}\n"
	old, fresh := newKey(t, "old"), newKey(t, "new")
	documents["keys/bank.json"] = keySetOf(t, old)
	w := newWorld(t, documents, map[string]string{"FIRST": address})
	w.startEnvoy("edge", "edge-1")
	url, before := w.url("PORT", "/"), w.revision().ID
	is := func(key jwk.Key, status int) func() bool {
		return func() bool { return w.get(url, signedBy(t, key)).status == status }
	}
	w.eventually("the old key opens", is(old, 200))

	withOld := w.load(2, url, signedBy(t, old))
	w.write("keys/bank.json", keySetOf(t, old, fresh))
	w.eventually("the new key opens", is(fresh, 200))
	withNew := w.load(2, url, signedBy(t, fresh))
	for range 5 { // Back and forth, as who rotates may change their mind.
		w.write("keys/bank.json", keySetOf(t, fresh, old))
		w.write("keys/bank.json", "{}")
		w.eventually("the broken key set is shown", func() bool { return len(w.revision().Faults) > 0 })
		w.write("keys/bank.json", keySetOf(t, old, fresh))
		w.eventually("the fault is gone", func() bool { return len(w.revision().Faults) == 0 })
	}
	unharmed(t, withOld)
	w.write("keys/bank.json", keySetOf(t, fresh))
	w.eventually("the old key opens nothing", is(old, 401))
	unharmed(t, withNew)
	if after := w.revision().ID; after != before {
		t.Errorf("keys made the revision %s of %s", after, before)
	}
}

func newKey(t *testing.T, id string) jwk.Key {
	t.Helper()
	raw, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwk.Import(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{jwk.KeyIDKey: id, jwk.AlgorithmKey: jwa.ES256()} {
		if err := key.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

// keySetOf returns the public halves of keys as a key set.
func keySetOf(t *testing.T, keys ...jwk.Key) string {
	t.Helper()
	set := jwk.NewSet()
	for _, key := range keys {
		public, err := jwk.PublicKeyOf(key)
		if err == nil {
			err = set.AddKey(public)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func signedBy(t *testing.T, key jwk.Key) string {
	t.Helper()
	token, err := jwt.NewBuilder().Issuer("https://id.bank.test").Subject("alice").Expiration(time.Now().Add(time.Hour)).Build()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(jwa.ES256(), key))
	if err != nil {
		t.Fatal(err)
	}
	return "authorization: Bearer " + string(signed)
}

// TestPushedEndpoints pushes endpoints while requests flow: not one fails, and a daemon that starts again has them still.
func TestPushedEndpoints(t *testing.T) {
	t.Parallel()
	var pushed []admin.Endpoint
	var all []string
	for i := range 5 {
		name := fmt.Sprintf("backend-%d", i)
		address, _ := backend(t, name, "")
		pushed, all = append(pushed, admin.Endpoint{Address: address, Weight: 1}), append(all, name)
	}
	documents := site()
	documents["site.yaml"] = strings.Replace(documents["site.yaml"], `[{address: "${FIRST}"}]`, "pushed", 1)
	w := newWorld(t, documents, nil)
	w.startEnvoy("edge", "edge-1")
	url, before := w.url("PORT", "/"), w.revision().ID
	if a := w.get(url); a.status != 503 {
		t.Errorf("before the first push: %+v", a)
	}
	change := func(c admin.EndpointChange) admin.EndpointSet {
		t.Helper()
		set, err := w.admin().ChangeEndpoints(t.Context(), "site", c)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	change(admin.EndpointChange{All: true, Set: pushed[:1], Author: "tina"})
	w.served(url, all[0])
	stop := w.load(2, url)
	for range 5 {
		change(admin.EndpointChange{Add: pushed[1:]})
		w.served(url, all...)
		var addresses []string
		for _, e := range pushed[1:] {
			addresses = append(addresses, e.Address)
		}
		change(admin.EndpointChange{Remove: addresses})
	}
	unharmed(t, stop)
	for name, c := range map[string]admin.EndpointChange{
		"without an endpoint left": {All: true}, "by a name": {Add: []admin.Endpoint{{Address: "a.bank.test:80", Weight: 1}}},
		"of an old version": {Add: pushed[1:], Version: 1},
	} {
		if _, err := w.admin().ChangeEndpoints(t.Context(), "site", c); err == nil {
			t.Errorf("a push %s is taken", name)
		}
	}
	w.stopServer()
	w.startServer()
	if set := w.endpoints("site"); len(set.Endpoints) != 1 || set.Endpoints[0] != pushed[0] {
		t.Errorf("after a restart: %+v", set)
	}
	w.synced("edge-1")
	if a := w.get(url); a.status != 200 {
		t.Errorf("after a restart: %+v", a)
	}
	change(admin.EndpointChange{All: true, Force: true})
	w.eventually("the forced empty set is used", func() bool { return w.get(url).status == 503 })
	if after := w.revision().ID; after != before {
		t.Errorf("pushes made the revision %s of %s", after, before)
	}
}
