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

// networkMark tells a test that it runs in a network of its own already.
const networkMark = "GATEHOUSE_TEST_NETWORK"

// OwnNetwork runs the test that calls it again, by another process in a network of its own with nothing but loopback, in which
// it may make devices as it likes. There it returns true; else it returns false when that has ended, and its outcome is the test's.
func OwnNetwork(t testing.TB) bool {
	t.Helper()
	if os.Getenv(networkMark) != "" {
		if out, err := exec.CommandContext(t.Context(), Binary(t, "ip"), "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("bring up loopback: %v: %s", err, out)
		}
		return true
	}
	Binary(t, "ip")
	if out, err := exec.CommandContext(t.Context(), Binary(t, "unshare"), "--net", "true").CombinedOutput(); err != nil {
		missing(t, "the right to make a network namespace", fmt.Errorf("%w: %s", err, out))
	}
	child := exec.CommandContext(t.Context(), Binary(t, "unshare"), "--net", os.Args[0], "-test.v", "-test.timeout=5m", "-test.run=^"+t.Name()+"$") //nolint:gosec // This very program.
	child.Env = append(os.Environ(), networkMark+"=1")
	child.SysProcAttr = childAttributes()
	out, err := child.CombinedOutput()
	t.Logf("in a network of its own:\n%s", out)
	if err != nil {
		t.Errorf("in a network of its own: %v", err)
	}
	return false
}
