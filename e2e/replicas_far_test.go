//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/internal/testcert"
)

// farReplicas has two daemons under one authority, and an Envoy that joined one of them when it was alone. It hears of the other one
// while it runs, and misses no answer when the first one is killed.
func farReplicas(t *testing.T, p programs) {
	socket := "unix:" + filepath.Join(needs.SocketDir(t), "backend.sock")
	w := &pair{town: &town{world: prepare(t, hop(), map[string]string{"FIRST": socket}), programs: p}}
	w.startBackend()
	own := authority(t)
	var nodes, joins [2]string
	for i, state := range [2]string{w.state, needs.SocketDir(t)} {
		nodes[i], joins[i] = fmt.Sprintf("127.0.0.1:%d", needs.Port(t)), fmt.Sprintf("127.0.0.1:%d", needs.Port(t))
		w.places[i] = append([]string{
			"GATEHOUSE_CONFIG=" + w.dir, "GATEHOUSE_STATE=" + state, "GATEHOUSE_NODES_ADDRESS=" + nodes[i], "GATEHOUSE_JOIN_ADDRESS=" + joins[i],
		}, own...)
		w.at[i] = map[string]string{}
		for _, cluster := range []string{"gatehouse_xds", "gatehouse_authz", "gatehouse_ratelimit", "gatehouse_accesslog"} {
			w.at[i][cluster] = nodes[i]
		}
		w.startOne(i)
	}
	w.joinFar(joins[0])
	w.known(0, true)

	w.daemons[0].end(syscall.SIGTERM)
	w.places[0] = append(w.places[0], "GATEHOUSE_ADVERTISE="+strings.Join(nodes[:], ","))
	w.startOne(0)
	w.known(1, true)
	w.known(0, true)

	r := w.traffic("PORT", w.aims()...)
	r.hold(perSecond)
	w.daemons[0].kill()
	r.hold(2 * perSecond)
	w.startOne(0)
	w.known(0, true)
	r.hold(perSecond)
	w.daemons[1].kill()
	r.hold(perSecond)
	r.stop()
}

// authority returns the environment that names the files of one's own authority.
func authority(t *testing.T) []string {
	t.Helper()
	chain, key, err := testcert.Make(testcert.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(path("chain.pem"), chain, 0o600), os.WriteFile(path("key.pem"), key, 0o600)); err != nil {
		t.Fatal(err)
	}
	return []string{"GATEHOUSE_CA_CHAIN=" + path("chain.pem"), "GATEHOUSE_CA_KEY=" + path("key.pem"), "GATEHOUSE_CA_BUNDLE=" + path("chain.pem")}
}

// joinFar lets an Envoy join the first daemon as on another host, follow and serve.
func (w *pair) joinFar(server string) {
	w.t.Helper()
	code, token := w.run(w.t, w.places[0], "gatehouse", "nodes", "token", "create", "--fleet", "edge")
	token, _, _ = strings.Cut(token, "\n")
	dir := filepath.Join(w.state, "edge", "edge-1") // Where tells asks it.
	env := []string{"GATEHOUSE_JOIN_SERVER=" + server, "GATEHOUSE_JOIN_TOKEN=" + token, "GATEHOUSE_NODE=edge-1", "GATEHOUSE_DIR=" + dir}
	if code != 0 {
		w.t.Fatalf("token: %s", token)
	}
	if code, out := w.run(w.t, env, "gatehouse", "nodes", "join"); code != 0 {
		w.t.Fatalf("join: %s", out)
	}
	w.start(w.t, env, "gatehouse", "nodes", "renew")
	w.envoy = w.start(w.t, nil, "envoy", "-c", filepath.Join(dir, "bootstrap.yaml"), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
	w.eventually("the Envoy serves", func() bool {
		a, err := w.do(http.MethodGet, w.url("PORT", "/decided"))
		return err == nil && a.status == http.StatusOK
	})
}
