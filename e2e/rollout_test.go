//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// shop is a gateway with one API, whose policy and whose backend a test changes.
func shop(policy, backend string) string {
	return fmt.Sprintf(`
schema: 1
kind: Upstream
name: shop
endpoints: [{address: "${%s}"}]
---
kind: Policy
name: shop
rego: |
  package shop
  default allow := false
  %s
---
kind: API
name: shop
version: v1
expose: [{gateway: edge}]
authenticate: none
authorize: [shop]
to: shop
operations: [{id: get, method: GET, path: /}]
`, backend, policy)
}

// open lets everybody in; guarded lets in who does not say that it probes.
const (
	open    = `allow := true`
	guarded = `allow if not input.attributes.request.http.headers["x-probe"]`
	closed  = `allow if input.attributes.request.http.headers["x-nobody"]`
)

// fleetOfFive starts five Envoys of one fleet, which share their port, and requests to them until the test ends. All settings
// are short.
func fleetOfFive(t *testing.T) *world {
	t.Helper()
	w := shopWorld(t)
	for i := range 5 {
		w.startEnvoy("edge", fmt.Sprintf("edge-%d", i+1))
	}
	w.knock()
	return w
}

// shopWorld is fleetOfFive without the Envoys and the requests.
func shopWorld(t *testing.T) *world {
	t.Helper()
	good, _ := backend(t, "good", "")
	bad, _ := backendWith(t, echo.Settings{Name: "bad", Status: http.StatusServiceUnavailable}, "")
	gateway := site()["gateway.yaml"]
	w := prepare(t, map[string]string{"gateway.yaml": gateway, "shop.yaml": ""}, map[string]string{"GOOD": good, "BAD": bad})
	w.write("shop.yaml", shop(open, "GOOD"))
	w.tune = func(o *server.Options) {
		o.Step, o.Grace = 250*time.Millisecond, 200*time.Millisecond
		o.Rollout = rollout.Strategy{
			Soak: time.Second, Patience: patience, Lag: 1300 * time.Millisecond, Before: 10 * time.Second,
			Gates: rollout.Gates{Requests: 20, Latency: -1},
		}
	}
	w.startServer()
	return w
}

// knock sends 200 requests each second, each on a connection of its own so that the kernel spreads them over the Envoys,
// until the test ends.
func (w *world) knock() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var workers sync.WaitGroup
	transport := &http.Transport{DisableKeepAlives: true}
	url := w.url("PORT", "/")
	for range 4 {
		workers.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
				if err != nil {
					return
				}
				if response, err := transport.RoundTrip(request); err == nil {
					_ = response.Body.Close()
				}
			}
		})
	}
	w.t.Cleanup(func() {
		cancel()
		workers.Wait()
	})
}

// delivery returns the rollout of the fleet.
func (w *world) delivery() admin.Rollout {
	w.t.Helper()
	found, err := w.admin().Rollouts(w.t.Context())
	if err != nil || len(found.Rollouts) != 1 {
		w.t.Fatalf("rollouts %+v, %v", found, err)
	}
	return found.Rollouts[0]
}

// follow waits until the rollout of an entry has ended, and returns it with the numbers of nodes that had the entry on the way.
func (w *world) follow(entry int64) (admin.Rollout, []int) {
	w.t.Helper()
	var sizes []int
	var last admin.Rollout
	w.eventually(fmt.Sprintf("entry %d has rolled out", entry), func() bool {
		last = w.delivery()
		if last.Entry != entry {
			return false
		}
		if size := len(last.Nodes); last.Phase == "rolling" && (len(sizes) == 0 || sizes[len(sizes)-1] != size) {
			sizes = append(sizes, size)
		}
		return !last.Ended.IsZero()
	})
	return last, sizes
}

// probes counts the answers to requests on connections of their own.
func (w *world) probes(count int) map[int]int {
	w.t.Helper()
	answers := map[int]int{}
	transport := &http.Transport{DisableKeepAlives: true}
	for range count {
		request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url("PORT", "/"), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		request.Header.Set("x-probe", "1")
		response, err := transport.RoundTrip(request)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = response.Body.Close()
		answers[response.StatusCode]++
	}
	return answers
}

// TestRollout moves five Envoys: a good change goes to one, two and all of them; one whose backend fails, one that denies
// everybody and one that Envoys refuse are stopped at the first wave and put back; a policy that only one Envoy has yet decides
// there alone.
func TestRollout(t *testing.T) {
	t.Parallel()
	w := fleetOfFive(t)
	w.write("shop.yaml", shop(`allow if true`, "GOOD"))
	r, sizes := w.follow(2)
	if r.Phase != "live" || !slices.Equal(sizes, []int{1, 2, 5}) {
		t.Fatalf("a good change is %s after waves of %v: %+v", r.Phase, sizes, r.Reason)
	}

	for i, bad := range []struct {
		what, file, text, code string
		tried                  int
	}{
		{"a backend that answers 503", "shop.yaml", shop(open, "BAD"), "5xx", 1},
		{"a policy that denies everybody", "shop.yaml", shop(closed, "GOOD"), "denials", 1},
		{"an address that no host has", "shop.yaml", shop(open, "GOOD") + elsewhere(), "refusal", 2},
	} {
		w.write(bad.file, bad.text)
		r, sizes := w.follow(int64(i + 3))
		if r.Phase != "refused" || r.Reason.Code != bad.code || len(r.Nodes) > bad.tried || slices.Max(append(sizes, 0)) > bad.tried || r.Default != 2 {
			t.Errorf("%s is %s on %v nodes, the others have %d: %+v", bad.what, r.Phase, sizes, r.Default, r.Reason)
		}
		w.eventually("all have the entry before again", func() bool { return w.probes(20)[http.StatusOK] == 20 })
	}
	w.joinsAfterRefusal()
	w.stopsAtOne()
}

// joinsAfterRefusal starts a sixth Envoy and one of the five anew: they get what finished last, not what was refused since.
func (w *world) joinsAfterRefusal() {
	w.t.Helper()
	last, _ := w.node("edge-2")
	w.stopEnvoy(w.envoys["edge-1"])
	for _, name := range []string{"edge-1", "edge-6"} {
		w.startEnvoy("edge", name)
		w.eventually(name+" has the entry before the refused one", func() bool {
			n, ok := w.node(name)
			return ok && n.State == admin.Synced && n.Acknowledged == last.Acknowledged && n.LastRefusal == nil
		})
	}
	if r := w.delivery(); r.Phase != "refused" || r.Default != 2 || last.Acknowledged == "" {
		w.t.Errorf("after new Envoys the others have %q and the rollout is %+v", last.Acknowledged, r)
	}
	w.eventually("all answer by it", func() bool { return w.probes(20)[http.StatusOK] == 20 })
	w.stopEnvoy(w.envoys["edge-6"])
}

// elsewhere is a further gateway of the fleet, at an address that Envoy cannot bind.
func elsewhere() string {
	return `---
kind: Gateway
name: elsewhere
fleet: edge
listeners: [{name: elsewhere, address: 192.0.2.1, port: ${ELSEWHEREPORT}}]
`
}

// stopsAtOne pauses a change of a policy at the first wave, aborts it, and rolls it out again.
func (w *world) stopsAtOne() {
	w.t.Helper()
	w.write("shop.yaml", shop(guarded, "GOOD"))
	w.eventually("the first wave has the change", func() bool {
		r := w.delivery()
		return r.Entry == 6 && len(r.Nodes) == 1 && r.Nodes[0].Acknowledged
	})
	if err := w.admin().Order(w.t.Context(), admin.Pause, "edge"); err != nil {
		w.t.Fatal(err)
	}
	answers := w.probes(60)
	if answers[http.StatusForbidden] == 0 || answers[http.StatusOK] < 30 || answers[http.StatusOK]+answers[http.StatusForbidden] != 60 {
		w.t.Errorf("with the policy on one of five Envoys the answers are %v", answers)
	}
	if err := w.admin().Order(w.t.Context(), admin.Abort, ""); err != nil {
		w.t.Fatal(err)
	}
	if r := w.delivery(); r.Phase != "aborted" || r.Default != 2 {
		w.t.Errorf("after the abort %+v", r)
	}
	w.eventually("all have the policy before again", func() bool { return w.probes(20)[http.StatusOK] == 20 })
	if err := w.admin().Confirm(w.t.Context(), 6); err != nil {
		w.t.Fatal(err)
	}
	if r, _ := w.follow(6); r.Phase != "live" {
		w.t.Errorf("tried again it is %s: %+v", r.Phase, r.Reason)
	}
}

// TestRolloutOutlivesTheDaemon stops the daemon in the first wave: the next one goes on with the same Envoy, and ends it.
func TestRolloutOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	w := fleetOfFive(t)
	w.write("shop.yaml", shop(guarded, "GOOD"))
	w.eventually("the first wave has the change", func() bool {
		r := w.delivery()
		return r.Entry == 2 && len(r.Nodes) == 1 && r.Nodes[0].Acknowledged
	})
	first := w.delivery().Nodes[0].Name
	w.stopServer()
	w.startServer()
	r := w.delivery()
	if r.Phase != "rolling" || r.Wave != 1 || len(r.Nodes) != 1 || r.Nodes[0].Name != first || r.Default != 1 {
		t.Errorf("after a restart %+v, before %s had it", r, first)
	}
	if answers := w.probes(40); answers[http.StatusOK] < 20 || answers[http.StatusOK]+answers[http.StatusForbidden] != 40 {
		t.Errorf("after a restart the answers are %v", answers)
	}
	if r, _ := w.follow(2); r.Phase != "live" {
		t.Errorf("it ends %s: %+v", r.Phase, r.Reason)
	}
	w.eventually("all have the change", func() bool { return w.probes(20)[http.StatusForbidden] == 20 })
	if strings.Contains(w.log.String(), "unknown_rules") {
		t.Error("rules were unknown after the restart")
	}
}
