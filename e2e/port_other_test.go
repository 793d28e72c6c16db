//go:build e2e && !linux

package e2e_test

import "testing"

// listenerPort returns a port of loopback on which nobody listens now.
func listenerPort(t *testing.T) int {
	t.Helper()
	return freePort(t)
}
