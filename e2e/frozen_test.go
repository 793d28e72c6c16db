//go:build e2e

package e2e_test

import (
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
)

// TestFrozenEnvoyIsMissed stops an Envoy with its connections open, as a host does that loses its network: Gatehouse notices by
// itself, and the Envoy is back with all it had when it wakes.
func TestFrozenEnvoyIsMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, site(), nil)
	child := w.startEnvoy("edge", "edge-1")
	state := func() admin.State {
		nodes, err := w.admin().Nodes(t.Context(), "edge")
		if err != nil || len(nodes) != 1 {
			return ""
		}
		return nodes[0].State
	}
	w.eventually("it is synced", func() bool { return state() == admin.Synced })
	if err := syscall.Kill(child.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.eventually("it is missed", func() bool { return state() == admin.Disconnected })
	if err := syscall.Kill(child.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.eventually("it is synced again", func() bool { return state() == admin.Synced })
}
