//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// exported starts an Envoy from what was exported, while no daemon runs. Routes that ask nobody are served, the others answer
// by their failure mode; when the daemon is back they are served too.
func exported(t *testing.T, p programs) {
	w := newTown(t, p, map[string]string{"bank.yaml": outage})
	w.answersAgain(whole())
	for _, name := range []string{"edge.yaml", "edge.json"} {
		file := filepath.Join(t.TempDir(), name)
		if code, out := w.run(t, w.places(), "gatehouse", "fleet", "export", "edge", "-o", file); code != 0 {
			t.Fatalf("export: %s", out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := envoy.Validate(t.Context(), needs.Envoy(t), text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if w.envoy != nil {
			w.envoy.end(syscall.SIGTERM)
		}
		w.daemon.end(syscall.SIGTERM)
		w.envoy = w.start(t, nil, "envoy", "-c", file, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
		w.eventually("the Envoy serves", func() bool {
			a, err := w.do("GET", w.url("PORT", "/public"))
			return err == nil && a.status == 200
		})
		w.checkAway()
		w.startDaemon()
		w.answersAgain(whole())
	}
}
