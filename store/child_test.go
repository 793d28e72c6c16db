package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// childVariable tells this test binary, started once more, what to do instead of testing, and in which directory.
const childVariable = "GATEHOUSE_TEST_STORE"

func TestMain(m *testing.M) {
	role, dir, child := strings.Cut(os.Getenv(childVariable), ":")
	if !child {
		code := m.Run()
		cluster.End()
		os.Exit(code)
	}
	do := map[string]func(context.Context, io.Writer, string) error{"writes": writeForEver, "loads": loadOnce, "opens": openAsNobody, "fills": fillDisk}[role]
	if err := do(context.Background(), os.Stdout, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// command is this test binary in one of its other roles.
func command(ctx context.Context, role, dir string) *exec.Cmd {
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+role+":"+dir)
	return child
}

// openAsNobody opens a store as a user who may not write there: root may everything.
func openAsNobody(ctx context.Context, _ io.Writer, dir string) error {
	if os.Getuid() == 0 {
		if err := syscall.Setuid(65534); err != nil {
			return err
		}
	}
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	return s.Close()
}

func TestReadOnlyIsRefused(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, dir string) error{
		"an empty directory": func(*testing.T, string) error { return nil },
		"a directory that is not there": func(_ *testing.T, dir string) error {
			return os.Remove(dir)
		},
		"a store": func(t *testing.T, dir string) error {
			s := open(t, store.Options{Dir: dir})
			addEntry(t, s, "c1")
			return errors.Join(s.Close(), os.Chmod(s.Path(), 0o400))
		},
		"a store that all may read and write": func(t *testing.T, dir string) error {
			s := open(t, store.Options{Dir: dir})
			addEntry(t, s, "c1")
			return errors.Join(s.Close(), os.Chmod(s.Path(), 0o666))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, "state")
			err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(filepath.Dir(parent), 0o755), prepare(t, dir))
			if err := errors.Join(err, os.Chmod(parent, 0o555)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o555); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = os.Chmod(parent, 0o755), os.Chmod(dir, 0o755) })
			before := listing(t, dir)
			out, err := command(t.Context(), "opens", dir).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "not writable") || !strings.Contains(string(out), "let the daemon's user write") {
				t.Errorf("%v: %s", err, out)
			}
			if after := listing(t, dir); after != before {
				t.Errorf("the directory holds %s, before %s", after, before)
			}
		})
	}
}

func listing(t *testing.T, dir string) (names string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names += " " + entry.Name()
	}
	return names
}

// fillDisk adds entries until the disk is full, looks whether all that was confirmed is there, makes room and goes on.
func fillDisk(ctx context.Context, out io.Writer, dir string) error {
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	added := 0
	add := func() error {
		_, err := s.History.Add(ctx, store.Entry{Content: fmt.Sprint(added), State: "live"}, derived("disk", int64(added)))
		if err == nil {
			added++
		}
		return err
	}
	for err == nil {
		err = add()
	}
	if !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("after %d entries: %w", added, err)
	}
	fmt.Fprintln(out, "full:", err)
	if err := s.Check(ctx); err != nil {
		return err
	}
	for i := range added {
		if files, err := s.History.Files(ctx, fmt.Sprint(i)); err != nil || len(files) != 9 {
			return fmt.Errorf("entry %d of %d: %w", i, added, err)
		}
	}
	if err := errors.Join(os.Remove(ballast), add(), s.Close()); err != nil {
		return fmt.Errorf("after room was made: %w", err)
	}
	fmt.Fprintln(out, "went on after", added, "entries")
	return nil
}

// TestDiskIsFull works on a disk of 4 MiB, which takes a namespace of its own.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "unshare", "-rm", "true").Run(); err != nil {
		t.Skipf("skipped: no disk of a few MiB can be made here: %v", err)
	}
	dir := t.TempDir()
	child := command(t.Context(), "fills", dir)
	child.Args = []string{"unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=4m none "$0" && exec "$1"`, dir, os.Args[0]}
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal(err)
	}
	child.Path = path
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "full: add an entry to the history: the disk is full") || !strings.Contains(string(out), "went on") {
		t.Errorf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}
