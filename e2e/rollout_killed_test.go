//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// rolloutUnharmed kills the daemon in the middle of a wave of two of five Envoys, and then hands over to a successor. After each
// the same two have the new entry and the other three the old one, whose rules decide there; then the rollout goes on to its
// end.
func rolloutUnharmed(t *testing.T, p programs) {
	gateway := strings.TrimSpace(site()["gateway.yaml"]) + `
rollout:
  waves: [{nodes: [edge-2, edge-4]}]
  soak: 500ms
  patience: ` + map[bool]string{true: "10m", false: "3s"}[long()] + `
  gates: {requests: 100, errors: 100%, denials: 100%, latency: 1000}
`
	w := newDynasty(t, p, map[string]string{"gateway.yaml": gateway, "shop.yaml": shop(open, "FIRST")})
	for _, name := range []string{"edge-2", "edge-3", "edge-4", "edge-5"} {
		w.awaited(name, w.launch(needs.Envoy(t), "edge", name, w.sockets()))
	}
	old := w.revision().ID
	w.eventually("all have the first entry", func() bool { return w.split(old, old) })
	w.write("shop.yaml", shop(guarded, "FIRST"))
	w.eventually("the wave has the change", func() bool {
		r := w.delivery()
		return r.Entry == 2 && len(r.Nodes) == 2 && r.Nodes[0].Acknowledged && r.Nodes[1].Acknowledged
	})
	next := w.revision().ID

	w.send(syscall.SIGKILL)
	w.daemon.wait()
	w.startFirst()
	w.inTheWave("after a kill", old, next)
	w.restart()
	w.inTheWave("after a hand-over", old, next)

	w.passes(1)
	w.passes(2)
	if r, _ := w.follow(2); r.Phase != "live" {
		t.Errorf("it ends %s: %+v", r.Phase, r.Reason)
	}
	w.eventually("all have the change", func() bool { return w.split(next, next) && w.probes(20)[http.StatusForbidden] == 20 })
	if written := w.written(); strings.Contains(written, "unknown_rules") {
		t.Error("rules were unknown on the way")
	}
	w.send(syscall.SIGTERM)
}

// sockets are where an Envoy of this host reaches the daemon.
func (w *town) sockets() envoy.Services {
	at := func(name string) []string { return []string{envoy.SocketScheme + w.state + "/" + name + ".sock"} }
	return envoy.Services{XDS: at("xds"), Authz: at("authz"), RateLimit: at("ratelimit"), AccessLog: at("accesslog")}
}

// split reports whether edge-2 and edge-4 have acknowledged one revision whole, and the other three another one.
func (w *dynasty) split(others, wave string) bool {
	w.t.Helper()
	for i := range 5 {
		name, want := fmt.Sprintf("edge-%d", i+1), others
		if i == 1 || i == 3 {
			want = wave
		}
		if n, ok := w.node(name); !ok || n.State != admin.Synced || n.Revision != want || n.Acknowledged != want {
			return false
		}
	}
	return true
}

// passes lets a wave pass: in the long form by requests, which take ten seconds to be figures; in the short one the rollout
// pauses for want of them, and is told to go on without.
func (w *dynasty) passes(wave int) {
	w.t.Helper()
	if long() && wave == 1 {
		w.knock()
	}
	w.eventually(fmt.Sprintf("wave %d passes", wave), func() bool {
		r := w.delivery()
		if r.Phase == "paused" {
			if err := w.admin().Order(w.t.Context(), admin.Resume, "edge"); err != nil {
				w.t.Fatal(err)
			}
		}
		return r.Wave > wave || !r.Ended.IsZero()
	})
}

// inTheWave checks that the rollout of the second entry stands in its first wave.
func (w *dynasty) inTheWave(when, others, wave string) {
	w.t.Helper()
	w.eventually(when+" each has what it had", func() bool { return w.split(others, wave) })
	r := w.delivery()
	var names []string
	for _, n := range r.Nodes {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	// Where it took long to get here, it waits for requests in vain.
	if r.Phase != "rolling" && r.Phase != "paused" || r.Entry != 2 || r.Wave != 1 || r.Default != 1 || !slices.Equal(names, []string{"edge-2", "edge-4"}) {
		w.t.Errorf("%s %+v", when, r)
	}
	var answers map[int]int
	w.eventually(when+" policies decide", func() bool { // Envoys find the daemon again one after another.
		answers = w.probes(30)
		return answers[http.StatusOK]+answers[http.StatusForbidden] == 30
	})
	if answers[http.StatusOK] == 0 || answers[http.StatusForbidden] == 0 {
		w.t.Errorf("%s the answers are %v", when, answers)
	}
}
