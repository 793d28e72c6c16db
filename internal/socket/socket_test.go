package socket_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/internal/socket"
)

// leave makes a socket on which nobody listens, as a killed process does.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// dial reports whether somebody serves on a socket.
func dial(path string) error {
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	return c.Close()
}

func TestReplacesWhatWasLeftBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(needs.SocketDir(t), "s")
	leave(t, path)
	l, err := socket.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := dial(path); err != nil {
		t.Errorf("nobody serves on the new socket: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestLeavesWhoServes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(needs.SocketDir(t), "s")
	first, err := socket.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := socket.Listen(t.Context(), path); !errors.Is(err, socket.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second one: %v", err)
	}
	if err := dial(path); err != nil {
		t.Errorf("the first one has lost its socket: %v", err)
	}
}

// TestLeavesWhoIsBusy fills the queue of a server that accepts nothing, as one does that is stopped by a signal.
func TestLeavesWhoIsBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(needs.SocketDir(t), "s")
	fd, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	var waiting []net.Conn
	defer func() {
		for _, c := range waiting {
			_ = c.Close()
		}
	}()
	for range 10_000 { // The queue is as long as the machine says.
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		waiting = append(waiting, c)
	}
	if _, err := socket.Listen(t.Context(), path); !errors.Is(err, socket.ErrInUse) {
		t.Errorf("with %d connections waiting: %v", len(waiting), err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the busy server has lost its socket: %v", err)
	}
}

func TestLeavesWhatIsNoSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := socket.Listen(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("in place of a file: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

func TestPathsThatAreRefused(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"":                                   "missing",
		"/" + strings.Repeat("a", 120):       "choose a shorter directory",
		"/nowhere/at/all/s":                  "no such file",
		filepath.Join(t.TempDir(), "a", "s"): "no such file",
	} {
		if _, err := socket.Listen(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", path, err, want)
		}
	}
}

// TestOneOfManyWins starts many on the same socket that was left behind: one serves there, and all others are told so.
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	const many = 16
	path := filepath.Join(needs.SocketDir(t), "s")
	leave(t, path)
	won := make(chan net.Listener, many)
	var group sync.WaitGroup
	for range many {
		group.Go(func() {
			switch l, err := socket.Listen(t.Context(), path); {
			case err == nil:
				won <- l
			case !errors.Is(err, socket.ErrInUse):
				t.Error(err)
			}
		})
	}
	group.Wait()
	close(won)
	if len(won) != 1 {
		t.Errorf("%d serve on one socket", len(won))
	}
	for l := range won {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
