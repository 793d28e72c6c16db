//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/envoy"
)

// moment is the longest time after a change of the documents at which the daemon is killed: by then it is pushed.
const moment = 150 * time.Millisecond

// killedAtAnyMoment changes the documents and kills the daemon at a random moment of loading, compiling and pushing, again and
// again. Afterwards the Envoy has exactly what the documents say. Meanwhile routes that ask nobody lose nothing; the others
// answer as their failure mode says, and only while the daemon is away.
func killedAtAnyMoment(t *testing.T, p programs) {
	w := newTown(t, p, map[string]string{"bank.yaml": strings.ReplaceAll(outage, "limit: 1000,", "limit: 100000000,"), "pushed.yaml": pushed(0)})
	w.answersAgain(whole())
	var away atomic.Bool
	stop := w.watchRoutes(&away)
	times := often(5, 100)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // Not a secret.
	for n := 1; n <= times; n++ {
		w.write("pushed.yaml", pushed(n))
		// No event tells of a moment within a push; any moment will do.
		<-time.After(time.Duration(random.Int64N(int64(moment))))
		away.Store(true)
		w.daemon.kill()
		w.startDaemon()
		w.synced("edge-1")
		w.answersAgain(map[string]int{"/decided": 200, "/limited": 200, "/other/decided": 200, "/other/limited": 200, fmt.Sprintf("/pushed-%d", n): 200, fmt.Sprintf("/pushed-%d", n-1): 404})
		away.Store(false)
		w.holdsWhatIsRendered()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	w.daemon.end(syscall.SIGTERM)
}

// pushed returns documents of which each number changes what an Envoy has: a cluster, an API's route and its limit.
func pushed(n int) string {
	return fmt.Sprintf(`
schema: 1
kind: Upstream
name: pushed
endpoints: [{address: "${FIRST}"}]
balance: %s
---
kind: API
name: pushed
version: v1
expose: [{gateway: edge, base: /pushed-%d}]
authenticate: none
to: pushed
operations: [{id: get, method: GET, path: /, limits: [{name: few, limit: %d, per: 1m}]}]
`, []string{"round-robin", "least-request", "random"}[n%3], n, 1_000_000+n)
}

// watchRoutes sends requests on each kind of route until stop is called, which returns what was answered wrong: by a route
// that asks nobody at any time, by another one in another way than its failure mode, or while the daemon was there.
func (w *town) watchRoutes(away *atomic.Bool) (stop func() error) {
	done := make(chan struct{})
	var mu sync.Mutex
	var wrong error
	var group sync.WaitGroup
	for path, whenAway := range map[string]int{
		"/public": 200, "/decided": 503, "/limited": 200, "/other/decided": 200, "/other/limited": 503,
	} {
		group.Go(func() {
			for sent := 0; ; sent++ {
				select {
				case <-done:
					return
				default:
				}
				before := away.Load()
				a, err := w.do("GET", w.url("PORT", path))
				mayFail := before || away.Load()
				if err == nil && (a.status == 200 || (mayFail && a.status == whenAway)) {
					continue
				}
				failed := serious(fmt.Errorf("%s, daemon away: %v, request %d: %d %s, %w", path, mayFail, sent, a.status, a.body, err))
				mu.Lock()
				wrong = errors.Join(wrong, failed)
				mu.Unlock()
			}
		})
	}
	return func() error {
		close(done)
		group.Wait()
		return wrong
	}
}

// holdsWhatIsRendered compares what the Envoy says that it has with what the documents mean: the names of all clusters and
// virtual hosts, and the routes of the hosts.
func (w *town) holdsWhatIsRendered() {
	w.t.Helper()
	want := map[string][]string{}
	marks := map[string]string{"cluster": "~", "virtual-host": "/"} // What the names of ours of each kind have, and nothing beside them.
	for kind, mark := range marks {
		code, out := w.run(w.t, w.places(), "gatehouse", "render", w.dir, "--type", kind, "-o", "json")
		if code != 0 {
			w.t.Fatalf("render: %s", out)
		}
		want[kind] = namesIn(w.t, []byte(out), mark)
	}
	admin := envoy.NewAdmin(envoy.Settings{Dir: filepath.Join(w.state, "edge", "edge-1")}.AdminSocket())
	var got map[string][]string
	defer func() {
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Errorf("the Envoy has something else than the documents say (-want +got):\n%s", diff)
		}
	}()
	w.eventually("the Envoy has what the documents say", func() bool {
		clusters, err := admin.Get(w.t.Context(), "/config_dump?resource=dynamic_active_clusters")
		if err != nil {
			return false
		}
		routes, err := admin.Get(w.t.Context(), "/config_dump?resource=dynamic_route_configs")
		if err != nil {
			return false
		}
		got = map[string][]string{"cluster": namesIn(w.t, clusters, marks["cluster"]), "virtual-host": namesIn(w.t, routes, marks["virtual-host"])}
		return cmp.Equal(got, want)
	})
}

// namesIn returns the names in JSON that have a mark, sorted, each once.
func namesIn(t *testing.T, text []byte, mark string) []string {
	t.Helper()
	var tree any
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&tree); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var names []string
	var walk func(any)
	walk = func(x any) {
		switch x := x.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if name, ok := x["name"].(string); ok && strings.Contains(name, mark) {
				names = append(names, name)
			}
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(tree)
	slices.Sort(names)
	return slices.Compact(names)
}
