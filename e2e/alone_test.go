//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// promptly is how long an API's change, or the start of an Envoy, may take where another API's upstream does not come up, beyond
// what a start takes anyway while other tests use the machine.
const promptly = 3 * time.Second

// TestOneColdUpstreamStandsAlone adds an upstream that does not come up, and then another API: that is served promptly, and an
// Envoy that starts in this state promptly serves all but what goes to that upstream.
func TestOneColdUpstreamStandsAlone(t *testing.T) {
	t.Parallel()
	silent := mute(t)
	for name, upstream := range map[string]string{
		"hanging health check": fmt.Sprintf("schema: 1\nkind: Upstream\nname: cold\nendpoints: [{address: %q}]\nhealth: {path: /, interval: 60s, timeout: 2s}\n", silent),
		"missing endpoints":    upstream("cold", "127.0.0.1:9"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, _ := backend(t, "first", "")
			w := newWorld(t, site(), map[string]string{"FIRST": first})
			xds := w.detour(func(_ context.Context, r *discoveryv3.DeltaDiscoveryResponse) {
				if name == "missing endpoints" && r.TypeUrl == endpointsType {
					r.Resources = slices.DeleteFunc(r.Resources, func(r *discoveryv3.Resource) bool { return strings.HasPrefix(r.Name, "cold~") })
				}
			})
			began := time.Now()
			child := w.startEnvoyBy(xds, "edge", "edge-1")
			limit := promptly + time.Since(began)
			r := w.traffic("PORT", aim{path: "/anything", backends: []string{"first"}})
			before := w.revision().ID
			w.write("cold.yaml", upstream+"---\n"+strings.TrimPrefix(to(extra("cold", "/cold"), "cold"), "\nschema: 1\n"))
			w.eventually("the cold upstream is compiled", func() bool { return w.revision().ID != before })
			w.within(limit, "a change of another API", "/cards", func() { w.write("cards.yaml", extra("cards", "/cards")) })
			w.within(limit, "a second one", "/loans", func() { w.write("cards.yaml", extra("cards", "/loans")) })
			r.stop()

			w.stopEnvoy(child)
			w.within(limit, "a restarted Envoy", "/loans", func() { w.joinEnvoyBy(xds, "edge", "edge-1") })
		})
	}
}

// within does something and waits until an API of its own answers at a path, where the site answered before or nobody.
func (w *world) within(limit time.Duration, what, path string, do func()) {
	w.t.Helper()
	began := time.Now()
	do()
	w.eventually(what+" is served", func() bool {
		a, err := w.do(http.MethodGet, w.url("PORT", path))
		return err == nil && a.status == http.StatusOK && a.echoed(w.t).Path == "/"
	})
	took := time.Since(began).Round(time.Millisecond)
	if took > limit {
		w.t.Errorf("%s is served after %v, want %v", what, took, limit)
	}
	w.t.Logf("%s is served after %v", what, took)
}

// mute is a backend that takes connections and never answers.
func mute(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String() // The kernel takes the connections; nobody accepts them.
}
