package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// filled makes a store with one entry and closes it. It returns its directory and the path of the file.
func filled(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, store.Options{Dir: dir})
	addEntry(t, s, "c1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, s.Path()
}

// addEntry adds an entry whose files take a hundred pages of the database.
func addEntry(t testing.TB, s *store.Store, content string) {
	t.Helper()
	if _, err := s.History.Add(t.Context(), store.Entry{Content: content, State: "live"}, derived(content, 0)); err != nil {
		t.Fatal(err)
	}
}

// refuses checks that a directory's store is not opened, that the error says what to do, and that the file is as before.
func refuses(t *testing.T, dir, path string, want error, advice string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), advice) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want %v with the path and %q", err, want, advice)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %d bytes before, %d after, %v", len(before), len(after), err)
	}
}

func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(data []byte) []byte{
		"another file":   func([]byte) []byte { return bytes.Repeat([]byte("no database\n"), 500) },
		"cut":            func(data []byte) []byte { return data[:len(data)/2] },
		"a page of zero": func(data []byte) []byte { clear(data[4096:8192]); return data },
		"a broken page": func(data []byte) []byte {
			copy(data[len(data)/8192*4096:], bytes.Repeat([]byte{0xee}, 4096))
			return data
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, path := filled(t)
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, damage(data), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, dir, path, store.ErrCorrupt, "put a backup in its place")
		})
	}
}

// TestNoContentComesBackChanged turns each of many bytes of the file: a file of the history comes back as it was stored, or
// not at all.
func TestNoContentComesBackChanged(t *testing.T) {
	t.Parallel()
	dir, path := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	noticed := 0
	for at := 4096; at < len(whole); at += 4003 {
		data := bytes.Clone(whole)
		data[at] ^= 0x10
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), store.Options{Dir: dir})
		if err != nil {
			noticed++
			continue
		}
		files, err := s.History.Files(t.Context(), "c1")
		switch {
		case err != nil:
			noticed++
		case len(files) != 9:
			t.Errorf("with byte %d turned %d files came back", at, len(files))
		}
		for name, got := range files {
			if want := derived("c1", 0)[name]; !bytes.Equal(got, want) {
				t.Errorf("with byte %d turned another %s came back", at, name)
			}
		}
		_ = s.Close()
	}
	if noticed == 0 {
		t.Error("no damage was noticed")
	}
}

func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "state")
	s := open(t, store.Options{Dir: dir})
	addEntry(t, s, "c1")
	for name, want := range map[string]os.FileMode{
		dir: 0o700, s.Path(): 0o600, s.Path() + "-wal": 0o600, s.Path() + "-shm": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	_ = s.Close()
	if err := os.Chmod(s.Path(), 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, store.Options{Dir: dir})
	if info, err := os.Stat(s.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of a file that others could read is %v, %v", info.Mode(), err)
	}
}

// TestOddPlaces opens stores in directories whose names mean something to a URL.
func TestOddPlaces(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "100%", "what?mode=memory", "#1", "é", "a&_pragma=x"} {
		dir := filepath.Join(t.TempDir(), name)
		s := open(t, store.Options{Dir: dir})
		addEntry(t, s, "c1")
		if _, err := os.Stat(filepath.Join(dir, store.File)); err != nil {
			t.Error(err)
		}
	}
}
