package needs

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// Port returns a TCP port on 127.0.0.1 that is the test's own until it ends; see HoldPort.
func Port(t testing.TB) int {
	t.Helper()
	port, release, err := HoldPort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// HoldPort returns a TCP port on 127.0.0.1 that nobody else is given until it is released: neither who asks for any free port
// nor a connection that goes out. A bound socket that does not listen holds it, and lets in whoever names the port and reuses
// addresses, as Envoy and Go do. To bind, close and hope would now and then give one port to two Envoys, which then share
// its connections.
func HoldPort() (port int, release func(), err error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, nil, fmt.Errorf("hold a port: %w", err)
	}
	port, err = bindAny(fd)
	if err != nil {
		return 0, nil, errors.Join(fmt.Errorf("hold a port: %w", err), syscall.Close(fd))
	}
	return port, func() { _ = syscall.Close(fd) }, nil
}

// bindAny binds a socket to a free port of loopback.
func bindAny(fd int) (int, error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	address, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("bound to a %T", bound)
	}
	return address.Port, nil
}
