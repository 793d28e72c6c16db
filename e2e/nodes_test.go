//go:build e2e

package e2e_test

import (
	"strings"
	"testing"
)

// nodesTold asks about the one Envoy of `gatehouse up` and takes it out of service: it runs what it was sent, its health path
// fails while it drains and requests are served all the same, and it comes back.
func nodesTold(t *testing.T, p programs) {
	w, _ := trying(t, p)
	env := []string{"GATEHOUSE_STATE=" + w.state}
	ask := func(code int, want string, args ...string) string {
		t.Helper()
		got, out := p.run(t, env, append([]string{"gatehouse", "nodes"}, args...)...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("nodes %q exits with %d, want %d and %q:\n%s", args, got, code, want, out)
		}
		return out
	}
	w.write("health.yaml", strings.Replace(string(w.read("gateway.yaml")), "fleet: edge", "fleet: edge\nhealth: /alive", 1))
	w.remove("gateway.yaml")
	w.eventually("the Envoy answers for itself", func() bool {
		a, err := w.do("GET", w.url("PORT", "/alive"))
		return err == nil && a.status == 200
	})
	w.eventually("it has all", func() bool {
		_, out := p.run(t, env, "gatehouse", "nodes", "show", "local")
		return strings.Contains(out, "what it was sent, by ")
	})
	ask(0, "VirtualHost", "show", "edge/local")
	ask(1, "no node elsewhere is known: gatehouse nodes lists them", "show", "elsewhere")
	ask(1, "no node elsewhere of fleet edge is known", "show", "edge/elsewhere")
	ask(64, "write one node", "show")

	ask(0, "edge/local is sent again what it refused", "retry", "local")
	ask(0, "edge/local drains\n", "drain", "local")
	w.eventually("its health path fails", func() bool {
		a, err := w.do("GET", w.url("PORT", "/alive"))
		return err == nil && a.status == 503
	})
	if a := w.get(w.url("PORT", "/payments/alice"), token(t, map[string]any{"sub": "alice"})); a.status != 200 {
		t.Errorf("while it drains a request is answered with %+v", a)
	}
	ask(0, "no client is connected\n", "drain", "local", "--wait", "10s")
	ask(0, "edge/local serves\n", "drain", "local", "--undo")
	w.eventually("its health path is well", func() bool {
		a, err := w.do("GET", w.url("PORT", "/alive"))
		return err == nil && a.status == 200
	})
	ask(1, "run this where the Envoy runs", "drain", "local", "--envoy-admin", "/nowhere/admin.sock")
	if out := ask(0, "unknown: there is no /nowhere/admin.sock on this machine", "show", "local", "--envoy-admin", "/nowhere/admin.sock"); !strings.Contains(out, "node ") {
		t.Errorf("without its admin socket the rest is missing:\n%s", out)
	}
	if out := ask(0, `"differences": []`, "show", "local", "-o", "json"); !strings.Contains(out, `"resources": [`) {
		t.Errorf("as JSON the resources are missing:\n%s", out)
	}
}
