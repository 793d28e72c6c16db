// Package socket listens on Unix sockets.
//
// In: a path. Out: a listener. A socket that a killed process left behind is replaced; one on which somebody serves is not,
// and neither is anything else that is at the path.
package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// PathMax is the longest path that is accepted, in bytes. Linux ends at 107, macOS at 103; the rest is left to what an Envoy
// or a test adds.
const PathMax = 100

// ErrInUse tells that somebody serves on a socket already.
var ErrInUse = errors.New("somebody serves there already")

// How long to wait for an answer on a socket that is there already, and for another process that looks at the same time.
const (
	dialTimeout = time.Second
	lockTimeout = 3 * time.Second
	lockPoll    = 10 * time.Millisecond
)

// Listen listens on the socket at a path, with the mode that the umask leaves. The error wraps ErrInUse where somebody
// serves there.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if path == "" {
		return nil, errors.New("the path of the socket is missing")
	}
	if len(path) > PathMax {
		return nil, fmt.Errorf("the socket path %s has %d bytes, and %d are allowed: choose a shorter directory", path, len(path), PathMax)
	}
	unlock, err := lock(ctx, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer unlock()
	if err := vacate(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, reason(err))
	}
	return l, nil
}

// vacate removes a socket that nobody listens on. Only the kernel's refusal is proof of that: a process that is stopped, or
// that has too many connections waiting, does not answer either.
func vacate(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("what is there is no socket: choose another path, or remove it")
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	c, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(ErrInUse, c.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove the socket that was left behind: %w", err)
		}
		return nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return ErrInUse
	}
	return fmt.Errorf("ask whether somebody serves there: %w", reason(err))
}

// lock keeps other processes that run this code from a folder's sockets: of two that find the same one left behind, the
// second would remove what the first has just made. The lock is on the folder itself and leaves nothing behind; where the
// file system has no such locks, there is none.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		// The file system may do without: only "somebody else has it" is an answer.
		if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			return func() { _ = folder.Close() }, nil // Closing unlocks; nothing was written.
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another process keeps the directory %s locked: %w", dir, context.Cause(ctx)), folder.Close())
		}
	}
}

// reason is what an error of net says beside the path, which the caller names.
func reason(err error) error {
	if wrapped, ok := errors.AsType[*net.OpError](err); ok {
		return wrapped.Err
	}
	return err
}
