//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestPortTakenOnOneOfFive gives five Envoys a further listener. For one of them the port is taken: in its own network
// namespace, where the test listens on it. It alone refuses the listener and serves on with what it has, whether it is
// asked first or with others; the four get it and the rollout ends. When the port is free, it is told to try again.
func TestPortTakenOnOneOfFive(t *testing.T) {
	t.Parallel()
	for _, lonely := range []string{"edge-1", "edge-2", "edge-3", "edge-4", "edge-5"}[:times(1, 5)] {
		t.Run(lonely, func(t *testing.T) { portTaken(t, lonely) })
	}
}

func portTaken(t *testing.T, lonely string) {
	w := shopWorld(t)
	taken := strings.Replace(elsewhere(), "192.0.2.1", "127.0.0.1", 1)
	w.write("unused.txt", "${ELSEWHEREPORT}") // Which chooses the port.
	network := needs.NewNamespace(t, "127.0.0.1:"+w.values["ELSEWHEREPORT"])
	within := network.Within(t, needs.Envoy(t))
	w.awaited(lonely, w.launch(within, "edge", lonely, w.services()))
	for i := range 5 {
		if name := fmt.Sprintf("edge-%d", i+1); name != lonely {
			w.startEnvoy("edge", name)
		}
	}
	w.knock()

	w.write("shop.yaml", shop(open, "GOOD")+taken)
	r, _ := w.follow(2)
	if r.Phase != "live" {
		t.Fatalf("a listener whose port is taken on one of five is %s: %+v", r.Phase, r.Reason)
	}
	for i := range 5 {
		name := fmt.Sprintf("edge-%d", i+1)
		if name == lonely {
			continue
		}
		if n := w.synced(name); n.LastRefusal != nil {
			t.Errorf("%s, whose port is free, has refused %+v", name, n.LastRefusal)
		}
		if bound := w.listeners(name); len(bound) != 2 {
			t.Errorf("%s listens on %q", name, bound)
		}
	}
	w.refusedAlone(lonely)
	w.stopEnvoy(w.envoys[lonely])
	w.awaited(lonely, w.launch(within, "edge", lonely, w.services()))
	w.refusedAlone(lonely) // Started anew it has the rest again.
	if a := w.get(w.url("ELSEWHEREPORT", "/")); a.status != http.StatusNotFound {
		t.Errorf("the others answer %+v on the new port", a)
	}

	if err := network.Release(); err != nil {
		t.Fatal(err)
	}
	if err := w.admin().Retry(t.Context(), "edge", lonely); err != nil {
		t.Fatal(err)
	}
	w.synced(lonely)
	if bound := w.listeners(lonely); len(bound) != 2 {
		t.Errorf("with its port free %s listens on %q", lonely, bound)
	}
}

// refusedAlone waits until a node refuses the further listener by its own fault, and checks that it has the other.
func (w *world) refusedAlone(node string) {
	w.t.Helper()
	w.eventually(node+" alone refuses a port that is taken", func() bool {
		n, ok := w.node(node)
		return ok && n.State == admin.RefusedLocal && n.LastRefusal != nil && strings.Contains(n.LastRefusal.Text, "Address already in use")
	})
	if bound := w.listeners(node); !slices.Equal(bound, []string{"PORT"}) {
		w.t.Errorf("%s should serve on what it has, it listens on %q", node, bound)
	}
}

// listeners returns on which of the world's ports an Envoy listens, by its own word.
func (w *world) listeners(node string) []string {
	w.t.Helper()
	text, err := w.envoys[node].Admin().Get(w.t.Context(), "/listeners")
	if err != nil {
		w.t.Fatal(err)
	}
	var bound []string
	for name, port := range w.values {
		if strings.Contains(name, "PORT") && strings.Contains(string(text), "127.0.0.1:"+port) {
			bound = append(bound, name)
		}
	}
	slices.Sort(bound)
	return bound
}
