//go:build e2e

package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// keyServer is the server of an issuer, which can be stopped and started at the same address.
type keyServer struct {
	t       *testing.T
	address string
	keys    atomic.Pointer[string]
	server  *http.Server
}

func newKeyServer(t *testing.T, keys string) *keyServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &keyServer{t: t, address: listener.Addr().String()}
	k.keys.Store(&keys)
	k.serve(listener)
	t.Cleanup(k.stop)
	return k
}

func (k *keyServer) serve(listener net.Listener) {
	k.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, *k.keys.Load()) })}
	go func(s *http.Server) { _ = s.Serve(listener) }(k.server) // It ends with stop.
}

func (k *keyServer) start() {
	k.t.Helper()
	listener, err := net.Listen("tcp", k.address)
	if err != nil {
		k.t.Fatal(err)
	}
	k.serve(listener)
}

func (k *keyServer) stop() { _ = k.server.Close() }

// TestKeysByURL rotates keys that are fetched while requests flow, and then has the issuer's server down while the daemon and an
// Envoy start again: good tokens open all the time.
func TestKeysByURL(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "first", "")
	old, fresh := newKey(t, "old"), newKey(t, "new")
	server := newKeyServer(t, keySetOf(t, old))
	w := prepare(t, issued(server), map[string]string{"FIRST": address})
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	url, before := w.url("PORT", "/"), w.revision().ID
	with := func(header string, status int) func() bool {
		return func() bool { return w.get(url, header).status == status }
	}
	w.eventually("the old key opens", with(signedBy(t, old), 200))
	load := w.load(2, url, signedBy(t, old))
	both := keySetOf(t, old, fresh)
	server.keys.Store(&both)
	w.eventually("the new key opens", with(signedBy(t, fresh), 200))
	server.stop()
	w.eventually("the failure shows", func() bool { return len(w.revision().Faults) > 0 })
	unharmed(t, load)
	w.stopServer()
	w.startServer()
	w.startEnvoy("edge", "edge-2")
	w.eventually("the keys fetched last open at an Envoy that starts", with(signedBy(t, fresh), 200))
	server.start()
	w.eventually("the failure ends", func() bool { return len(w.revision().Faults) == 0 })
	if after := w.revision().ID; after != before {
		t.Errorf("keys made the revision %s of %s", after, before)
	}
}

// issued is a site whose callers show tokens of an issuer with a server of keys.
func issued(by *keyServer) map[string]string {
	documents := site()
	documents["site.yaml"] = strings.Replace(documents["site.yaml"], "authenticate: none", "authenticate: {jwt: bank}", 1) +
		"---\nkind: Issuer\nname: bank\nissuer: https://id.bank.test\njwks: {url: http://" + by.address + "/keys, refresh: 1s}\n"
	return documents
}

// TestKeysNeverKnown starts a daemon while the server of an issuer was never there: its routes say 503, and no good token is
// called bad. A change that needs keys that nobody has is refused.
func TestKeysNeverKnown(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "first", "")
	key := newKey(t, "one")
	server := newKeyServer(t, keySetOf(t, key))
	server.stop()
	w := prepare(t, issued(server), map[string]string{"FIRST": address})
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	url := w.url("PORT", "/")
	a := w.get(url, signedBy(t, key))
	if a.status != 503 || a.problem(t) != gateway.ProblemIdentityAway || a.header.Get("retry-after") == "" {
		t.Errorf("without keys: %d %s", a.status, a.body)
	}
	w.write("more.yaml", "schema: 1\nkind: Issuer\nname: other\nissuer: https://id.other.test\njwks: {url: http://"+server.address+"/other}\n")
	w.eventually("an issuer without keys is refused", func() bool {
		for _, f := range w.revision().Faults {
			if f.Object.Name == "other" && strings.Contains(f.Message, "cannot be fetched") {
				return true
			}
		}
		return false
	})
	w.remove("more.yaml")
	server.start()
	w.eventually("the keys are fetched", func() bool { return w.get(url, signedBy(t, key)).status == 200 })
	if a := w.get(url, signedBy(t, newKey(t, "one"))); a.status != 401 {
		t.Errorf("a forged token: %d", a.status)
	}
}
