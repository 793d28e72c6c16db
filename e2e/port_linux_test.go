//go:build e2e

package e2e_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// listenerPort returns a port of loopback that is an Envoy's alone while the test runs. A port that is merely free now may
// be another test's by the time an Envoy listens there, and Envoys share a port without a word (SO_REUSEPORT). So it stays
// bound, without that option until it is ours, and with it from then on.
func listenerPort(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) }) // Nothing was ever sent.
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return bound.(*unix.SockaddrInet4).Port
}
