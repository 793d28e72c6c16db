//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// site is a gateway with one website that everybody may see.
func site() map[string]string {
	return map[string]string{
		"gateway.yaml": `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
`,
		"site.yaml": `
schema: 1
kind: Upstream
name: site
endpoints: [{address: "${FIRST}"}]
---
kind: Route
name: site
expose: {gateway: edge}
match: {path: /**}
authenticate: none
to: site
`,
	}
}

// extra returns a further API of its own, at a base of its own.
func extra(name, base string) string {
	return fmt.Sprintf(`
schema: 1
kind: API
name: %s
version: v1
expose: [{gateway: edge, base: %s}]
authenticate: none
to: site
operations: [{id: get, method: GET, path: /}]
`, name, base)
}

// revision asks the daemon what it serves.
func (w *world) revision() admin.Revision {
	w.t.Helper()
	r, err := w.admin().Revision(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// node asks the daemon about an Envoy; ok is false while it is not known.
func (w *world) node(name string) (admin.Node, bool) {
	w.t.Helper()
	nodes, err := w.admin().Nodes(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Name == name {
			return n, true
		}
	}
	return admin.Node{}, false
}

// synced waits until an Envoy has acknowledged the revision that is served.
func (w *world) synced(name string) admin.Node {
	w.t.Helper()
	var n admin.Node
	w.eventually("node "+name+" has acknowledged all", func() bool {
		var ok bool
		n, ok = w.node(name)
		return ok && n.State == admin.Synced && n.Acknowledged == w.revision().ID
	})
	return n
}

func TestWatchedDirectory(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	w := newWorld(t, site(), map[string]string{"FIRST": first})
	w.startEnvoy("edge", "edge-1")
	cards := w.url("PORT", "/cards")
	if got := w.get(cards).echoed(t).Path; got != "/cards" {
		t.Errorf("before the API exists the site gets %s", got)
	}
	w.write("cards.yaml", extra("cards", "/cards"))
	w.eventually("the new API is served", func() bool { return w.get(cards).echoed(t).Path == "/" })
}

func TestBadReloadKeepsServing(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	w := newWorld(t, site(), map[string]string{"FIRST": first})
	w.startEnvoy("edge", "edge-1")
	before := w.revision().ID

	w.write("gateway.yaml", strings.Replace(site()["gateway.yaml"], "port:", "prot:", 1))
	w.eventually("the fault is shown", func() bool { return len(w.revision().Faults) > 0 })
	r := w.revision()
	if r.ID != before || !strings.Contains(gateway.Faults(r.Faults).Error(), `gateway.yaml:5:46: GH102: there is no field "prot"`) {
		t.Errorf("after a bad reload: %+v", r)
	}
	if got := w.get(w.url("PORT", "/")).status; got != 200 {
		t.Errorf("after a bad reload the site answers %d", got)
	}
	w.write("gateway.yaml", site()["gateway.yaml"])
	w.eventually("the fault is gone", func() bool { return len(w.revision().Faults) == 0 })
}

// TestOneFaultyAPIStandsAlone breaks one of two APIs: its last good version goes on, and the other one's change goes through.
func TestOneFaultyAPIStandsAlone(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	documents := site()
	documents["cards.yaml"] = extra("cards", "/cards")
	w := newWorld(t, documents, map[string]string{"FIRST": first})
	w.startEnvoy("edge", "edge-1")

	w.write("cards.yaml", strings.Replace(extra("cards", "/cards"), "authenticate: none", "authenticate: {jwt: nobody}", 1))
	w.eventually("the API is quarantined", func() bool { return len(w.revision().Substitutions) == 1 })
	if q := w.revision().Substitutions[0]; q.Object.Name != "cards" || q.With != "last good version" {
		t.Errorf("substituted: %+v", q)
	}
	if a := w.get(w.url("PORT", "/cards")); a.status != 200 {
		t.Errorf("the last good version answers %d", a.status)
	}
	w.write("loans.yaml", extra("loans", "/loans"))
	w.eventually("the other API's change goes through", func() bool {
		return w.get(w.url("PORT", "/loans")).echoed(t).Path == "/"
	})
	if a := w.get(w.url("PORT", "/cards")); a.status != 200 {
		t.Errorf("after another reload the last good version answers %d", a.status)
	}
}

// TestFaultyFromTheStart starts with a faulty API: its base answers 503, all else is served.
func TestFaultyFromTheStart(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	documents := site()
	documents["cards.yaml"] = strings.Replace(extra("cards", "/cards"), "path: /}", "paht: /}", 1)
	w := newWorld(t, documents, map[string]string{"FIRST": first})
	w.startEnvoy("edge", "edge-1")
	if a := w.get(w.url("PORT", "/cards/1")); a.status != 503 || a.problem(t) != "api-quarantined" || a.header.Get("retry-after") == "" {
		t.Errorf("the faulty API: %+v", a)
	}
	if a := w.get(w.url("PORT", "/")); a.status != 200 {
		t.Errorf("the site: %+v", a)
	}
}

// load sends requests one after another in each of some goroutines until stop is called, which returns how many were sent
// and what went wrong.
func (w *world) load(clients int, url string, headers ...string) (stop func() (sent int64, wrong error)) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var sent atomic.Int64
	var mu sync.Mutex
	var wrong error
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for ctx.Err() == nil {
				a, err := w.do("GET", url, headers...)
				sent.Add(1)
				if err == nil && a.status != 200 {
					err = fmt.Errorf("status %d: %s", a.status, a.body)
				}
				if err != nil {
					mu.Lock()
					wrong = errors.Join(wrong, err)
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, error) {
		cancel()
		group.Wait()
		return sent.Load(), wrong
	}
}

// TestReloadUnderLoad changes endpoints, settings that need a new cluster, policies of traffic and other APIs while requests
// flow. Not one fails.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	second, _ := backend(t, "second", "")
	w := newWorld(t, site(), map[string]string{"FIRST": first, "SECOND": second})
	w.startEnvoy("edge", "edge-1")
	changes := []map[string]string{
		{"site.yaml": strings.Replace(site()["site.yaml"], "${FIRST}", "${SECOND}", 1)},
		{"site.yaml": strings.Replace(site()["site.yaml"], "name: site\nendpoints", "name: site\nbalance: round-robin\nendpoints", 1)},
		{"site.yaml": strings.NewReplacer("name: site\nendpoints", "name: renamed\nendpoints", "to: site", "to: renamed").Replace(site()["site.yaml"])},
		{"cards.yaml": extra("cards", "/cards")},
		{"site.yaml": site()["site.yaml"], "cards.yaml": extra("cards", "/bank/cards")},
	}
	stop := w.load(3, w.url("PORT", "/anything"))
	for range 4 {
		for _, change := range changes {
			if change["site.yaml"] != "" && strings.Contains(change["site.yaml"], "renamed") {
				change = maps.Clone(change)
				change["cards.yaml"] = strings.Replace(extra("cards", "/cards"), "to: site", "to: renamed", 1)
			}
			before := w.revision().ID
			for name, text := range change {
				w.write(name, text)
			}
			w.eventually("the change is compiled", func() bool { return w.revision().ID != before })
			w.synced("edge-1")
		}
	}
	sent, wrong := stop()
	if wrong != nil {
		t.Errorf("of %d requests some failed: %v", sent, wrong)
	}
	if sent < 200 {
		t.Errorf("only %d requests were sent: no load", sent)
	}
	t.Logf("%d requests during 20 reloads", sent)
}
