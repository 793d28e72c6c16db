//go:build e2e

package e2e_test

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
)

// stranger asks a daemon as another user of the machine, who can reach its sockets: that user is refused, and told why,
// unless the daemon names it.
func stranger(t *testing.T, p programs) {
	if os.Getuid() != 0 {
		t.Skip("only root can run a process as another user")
	}
	const nobody = 65534
	w := serving(t, p)
	for _, dir := range []string{w.state, string(p)} {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c := p.command(ctx, w.places(), "gatehouse", "nodes")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		c.Dir = "/"
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := ask(); err == nil || !strings.Contains(out, "--socket-uid") {
		t.Errorf("another user asks: %v: %s", err, out)
	}
	w.daemon.end(syscall.SIGTERM)
	w.daemon = w.start(t, w.places(), "gatehouse", "serve", "--socket-uid", "65534")
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	if out, err := ask(); err != nil || !strings.Contains(out, "no Envoy has come yet") {
		t.Errorf("a user whom the daemon names asks: %v: %s", err, out)
	}
}
