//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/gatehouse/gatehouse/server"
)

// TestUnbroken changes the configuration in every way that there is, while 500 requests a second go through an Envoy. Not one
// of them is lost, and each is answered by a backend that the configuration names. The ways take turns: each gets the machine to
// itself.
func TestUnbroken(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name string
		test func(*testing.T)
	}{
		{"flips", flips},
		{"reorders", reorders},
		{"renames", renames},
		{"settings change", settingsChange},
		{"routes come and go", routesComeAndGo},
		{"endpoints scale", endpointsScale},
		{"endpoints are late", endpointsAreLate},
		{"keys rotate", keysRotate},
		{"listeners come and go", listenersComeAndGo},
	} {
		t.Run(way.name, way.test)
	}
}

// twoBackends starts a world with a site and two backends, and an Envoy.
func twoBackends(t *testing.T, more map[string]string) *world {
	t.Helper()
	first, _ := backend(t, "first", "")
	second, _ := backend(t, "second", "")
	documents := site()
	maps.Copy(documents, more)
	w := prepare(t, documents, map[string]string{"FIRST": first, "SECOND": second})
	w.tune = func(o *server.Options) { o.Guard.Removal = -1 } // All that comes goes again, with nobody to confirm it.
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	return w
}

// change writes documents and waits until the Envoy has them.
func (w *world) change(files map[string]string) {
	w.t.Helper()
	before := w.revision().ID
	for name, text := range files {
		w.write(name, text)
	}
	w.eventually("the change is compiled", func() bool { return w.revision().ID != before })
	if faults := w.revision().Faults; len(faults) > 0 {
		w.t.Fatal(faults)
	}
	w.synced("edge-1")
}

// clusters returns how many an Envoy has.
func (w *world) clusters() uint64 {
	w.t.Helper()
	const name = "cluster_manager.active_clusters"
	stats, err := w.envoys["edge-1"].Admin().Stats(w.t.Context(), `cluster_manager\.active_clusters`)
	if err != nil || stats[name] == 0 {
		w.t.Fatalf("clusters: %v, %v", stats, err)
	}
	return stats[name]
}

// retired waits until an Envoy has no more clusters than before: what nothing uses any more is taken away, and that while
// requests flow.
func (w *world) retired(before uint64) {
	w.t.Helper()
	w.eventually("clusters that nothing uses are taken away", func() bool { return w.clusters() == before })
}

// answeredBy waits until a path is answered by a backend.
func (w *world) answeredBy(port, path, name string) {
	w.t.Helper()
	w.eventually(path+" is answered by "+name, func() bool {
		a, err := w.do(http.MethodGet, w.url(port, path))
		return err == nil && a.status == http.StatusOK && a.echoed(w.t).Name == name
	})
}

// upstream returns an Upstream; each address is one of the world's values or an address itself.
func upstream(name string, addresses ...string) string {
	var list []string
	for _, a := range addresses {
		list = append(list, fmt.Sprintf("{address: %q}", a))
	}
	return fmt.Sprintf("schema: 1\nkind: Upstream\nname: %s\nendpoints: [%s]\n", name, strings.Join(list, ", "))
}

// to returns an extra API that goes to another upstream than the site.
func to(api, upstream string) string { return strings.Replace(api, "to: site", "to: "+upstream, 1) }

// flips exchanges an upstream's backends, an API's upstreams with a header that names them, and a Gateway's header, faster than an
// Envoy has them all.
func flips(t *testing.T) {
	w := twoBackends(t, map[string]string{
		"first.yaml": upstream("first", "${FIRST}"), "second.yaml": upstream("second", "${SECOND}"), "cards.yaml": flipped("first"),
	})
	both := []string{"first", "second"}
	r := w.traffic("PORT", aim{path: "/anything", backends: both}, aim{path: "/cards", backends: both, flips: true})
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for i := range times(10, 1000) {
		name, address := both[(i+1)%2], []string{"${SECOND}", "${FIRST}"}[i%2]
		w.write("site.yaml", strings.Replace(site()["site.yaml"], "${FIRST}", address, 1))
		w.write("cards.yaml", flipped(name))
		w.write("gateway.yaml", site()["gateway.yaml"]+fmt.Sprintf("headers: {response: {set: {x-flips: \"%d\"}}}\n", i+1))
		<-tick.C
	}
	w.answeredBy("PORT", "/anything", "first")
	w.answeredBy("PORT", "/cards", "first")
	w.eventually("answers have the last headers", func() bool {
		header := w.get(w.url("PORT", "/cards")).header
		return header.Get("x-flip") == "first" && header.Get("x-flips") == fmt.Sprint(times(10, 1000))
	})
	w.synced("edge-1")
	r.stop()
}

// flipped is an API whose route and headers name the same upstream.
func flipped(name string) string {
	return to(extra("cards", "/cards"), name) + fmt.Sprintf("headers: {request: {set: {x-flip: %[1]s}}, response: {set: {x-flip: %[1]s}}}\n", name)
}

// reorders shuffles documents and their operations.
func reorders(t *testing.T) {
	const apis, operations = 8, 6
	names := []string{"first", "second"}
	documents := func(r *rand.Rand) string {
		var all []string
		for _, a := range r.Perm(apis) {
			text := strings.TrimPrefix(to(extra(fmt.Sprintf("api-%d", a), fmt.Sprintf("/api-%d", a)), names[a%2]), "\nschema: 1\n")
			list := make([]string, operations)
			for i, op := range r.Perm(operations) {
				list[i] = fmt.Sprintf("{id: op-%d, method: GET, path: /op-%d}", op, op)
			}
			all = append(all, strings.Replace(text, "{id: get, method: GET, path: /}", strings.Join(list, ", "), 1))
		}
		return "schema: 1\n" + strings.Join(all, "---\n")
	}
	random := rand.New(rand.NewPCG(1, 2))
	w := twoBackends(t, map[string]string{
		"first.yaml": upstream("first", "${FIRST}"), "second.yaml": upstream("second", "${SECOND}"), "apis.yaml": documents(random),
	})
	var list []aim
	for a := range apis {
		for op := range operations {
			list = append(list, aim{path: fmt.Sprintf("/api-%d/op-%d", a, op), backends: names[a%2 : a%2+1]})
		}
	}
	r := w.traffic("PORT", list...)
	for range times(5, 100) {
		w.change(map[string]string{"apis.yaml": documents(random)})
	}
	r.stop()
}

// renames gives an upstream, an API and their routes other names.
func renames(t *testing.T) {
	documents := func(i int) map[string]string { // One file, so that nothing of it is read without the rest.
		name := fmt.Sprintf("named-%d", i)
		cards := strings.TrimPrefix(to(extra(fmt.Sprintf("cards-%d", i), "/cards"), name), "\nschema: 1\n")
		return map[string]string{
			"site.yaml": strings.NewReplacer("name: site\nendpoints", "name: "+name+"\nendpoints", "to: site", "to: "+name).Replace(site()["site.yaml"]) +
				"---\n" + cards,
		}
	}
	w := twoBackends(t, documents(0))
	before, first := w.clusters(), []string{"first"}
	r := w.traffic("PORT", aim{path: "/anything", backends: first}, aim{path: "/cards", backends: first})
	for i := range times(5, 100) {
		w.change(documents(i + 1))
	}
	w.retired(before)
	r.stop()
}

// routesComeAndGo adds many routes in steps, and takes them away again.
func routesComeAndGo(t *testing.T) {
	const steps = 5
	step := times(50, 500) / steps
	documents := func(n int) map[string]string {
		var list []string
		for op := range n * step {
			list = append(list, fmt.Sprintf("  - {id: op-%d, method: GET, path: /op-%d}", op, op))
		}
		if n == 0 {
			return map[string]string{"many.yaml": extra("many", "/many")}
		}
		return map[string]string{"many.yaml": strings.Replace(to(extra("many", "/many"), "second"), "operations: [{id: get, method: GET, path: /}]",
			"operations:\n"+strings.Join(list, "\n"), 1)}
	}
	more := documents(0)
	more["second.yaml"] = upstream("second", "${SECOND}")
	w := twoBackends(t, more)
	old := aim{path: "/anything", backends: []string{"first"}}
	r := w.traffic("PORT", old)
	served := func(n int) []aim {
		list := []aim{old}
		for op := range n * step {
			list = append(list, aim{path: fmt.Sprintf("/many/op-%d", op), backends: []string{"second"}})
		}
		return list
	}
	for n := range steps {
		w.change(documents(n + 1))
		r.aim(served(n + 1)...)
	}
	for n := steps; n > 0; n-- {
		r.aim(served(n - 1)...)
		w.change(documents(n - 1))
	}
	r.stop()
}

// endpointsScale adds backends one by one and takes them away again; one that is taken away ends when the Envoy knows.
func endpointsScale(t *testing.T) {
	const most = 20
	w := twoBackends(t, nil)
	addresses, names, stops := []string{"${FIRST}"}, []string{"first"}, []func(){nil}
	for i := 1; i < most; i++ {
		name := fmt.Sprintf("backend-%d", i)
		address, stop := backend(t, name, "")
		addresses, names, stops = append(addresses, address), append(names, name), append(stops, stop)
	}
	documents := func(n int) map[string]string {
		_, route, _ := strings.Cut(site()["site.yaml"], "---\n")
		return map[string]string{"site.yaml": upstream("site", addresses[:n]...) + "---\n" + route}
	}
	r := w.traffic("PORT", aim{path: "/anything", backends: names})
	step := times(5, 1)
	for n := 1; n < most; n = min(most, n+step) {
		w.change(documents(min(most, n+step)))
	}
	for n := most; n > 1; {
		fewer := max(1, n-step)
		w.change(documents(fewer))
		r.left(names[fewer:n])
		for _, stop := range stops[fewer:n] {
			stop()
		}
		n = fewer
	}
	r.stop()
}

// endpointsAreLate moves routes to clusters whose endpoints arrive a second after them.
func endpointsAreLate(t *testing.T) {
	first, _ := backend(t, "first", "")
	w := newWorld(t, site(), map[string]string{"FIRST": first})
	w.startEnvoyBy(w.detour(func(ctx context.Context, r *discoveryv3.DeltaDiscoveryResponse) {
		if r.TypeUrl == endpointsType {
			late, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-late.Done()
		}
	}), "edge", "edge-1")
	before := w.clusters()
	r := w.traffic("PORT", aim{path: "/anything", backends: []string{"first"}})
	for i := range times(2, 20) {
		name := fmt.Sprintf("late-%d", i)
		w.change(map[string]string{
			"site.yaml": strings.NewReplacer("name: site\nendpoints", "name: "+name+"\nendpoints", "to: site", "to: "+name).Replace(site()["site.yaml"]),
		})
	}
	w.retired(before)
	r.stop()
}

// listenersComeAndGo adds a listener with its route configuration and drops it again; each time it serves at once when it is
// known to be there.
func listenersComeAndGo(t *testing.T) {
	w := twoBackends(t, nil)
	one := site()["gateway.yaml"]
	two := strings.Replace(one, "port: ${PORT}}", "port: ${PORT}}, {name: other, address: 127.0.0.1, port: ${OTHER_PORT}}", 1)
	r := w.traffic("PORT", aim{path: "/anything", backends: []string{"first"}})
	for range times(3, 50) {
		w.change(map[string]string{"gateway.yaml": two})
		w.answeredBy("OTHER_PORT", "/anything", "first")
		w.change(map[string]string{"gateway.yaml": one})
	}
	r.stop()
}
