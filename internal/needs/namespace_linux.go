package needs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace is a network of its own, with nothing but loopback. Programs in it share files and sockets in the file system with
// all others, and no port.
type Namespace struct {
	network *os.File // It lasts as long as this is open.
	hold    net.Listener
}

// NewNamespace makes a network in which the test listens on a TCP address, and nobody else does. The test may need more rights
// than it has.
func NewNamespace(t testing.TB, held string) *Namespace {
	t.Helper()
	if _, err := exec.LookPath("nsenter"); err != nil {
		missing(t, "nsenter", err)
	}
	n := &Namespace{}
	made := make(chan error)
	go func() {
		// The thread is never unlocked, so that it ends with this goroutine and nothing else runs in the network by chance.
		runtime.LockOSThread()
		made <- n.make(t.Context(), held)
	}()
	if err := <-made; errors.Is(err, unix.EPERM) {
		missing(t, "the right to make a network namespace", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(n.Release(), n.network.Close()) })
	return n
}

// make makes the network for the calling thread.
func (n *Namespace) make(ctx context.Context, held string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring up loopback: %w", err)
	}
	hold, err := new(net.ListenConfig).Listen(ctx, "tcp", held)
	if err != nil {
		return err
	}
	network, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return errors.Join(err, hold.Close())
	}
	n.network, n.hold = network, hold
	return nil
}

// loopbackUp brings up the loopback device of the calling thread's network, which gives it its address.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq("lo")
	if err == nil {
		request.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
	}
	return errors.Join(err, unix.Close(socket))
}

// Release gives the held address up. It may be called again.
func (n *Namespace) Release() error {
	if err := n.hold.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Within returns a program that runs another one in the network, with the same arguments and in the same process.
func (n *Namespace) Within(t testing.TB, binary string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "within")
	text := fmt.Sprintf("#!/bin/sh\nexec nsenter --net=/proc/%d/fd/%d %q \"$@\"\n", os.Getpid(), n.network.Fd(), binary)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // A program.
		t.Fatal(err)
	}
	return path
}
