package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// TestLook looks at stores of both kinds, new and old: it changes nothing.
func TestLook(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	for dialect, o := range map[string]store.Options{"sqlite": {Dir: t.TempDir()}, "postgres": {URL: all.place()}} {
		old := open(t, store.WithSteps(o, firstOf(t, dialect)))
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if seen, err := store.Look(t.Context(), o); err != nil || seen.Schema != 1 || seen.Known < 7 || seen.Plain+seen.Sealed != 0 {
				t.Errorf("%s, an old one: %+v, %v", dialect, seen, err)
			}
		}
		o.SealingKey = make([]byte, 32)
		s := open(t, o)
		if err := s.Secrets.Put(t.Context(), "a", []byte("b")); err != nil {
			t.Fatal(err)
		}
		o.SealingKey = nil
		if err := open(t, o).Secrets.Put(t.Context(), "c", []byte("d")); err != nil {
			t.Fatal(err)
		}
		seen, err := store.Look(t.Context(), o)
		if err != nil || seen.Schema != seen.Known || seen.Sealed != 1 || seen.Plain != 1 {
			t.Errorf("%s: %+v, %v", dialect, seen, err)
		}
		if want := map[string]fs.FileMode{"sqlite": 0o600, "postgres": 0}[dialect]; seen.Mode != want {
			t.Errorf("%s: mode %v, want %v", dialect, seen.Mode, want)
		}
	}
	if _, err := store.Look(t.Context(), store.Options{Dir: t.TempDir()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no store: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, store.File), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Look(t.Context(), store.Options{Dir: dir}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("no database: %v", err)
	}
	if seen, err := store.Look(t.Context(), store.Options{URL: all.place()}); err != nil || seen.Schema != 0 {
		t.Errorf("an empty one: %+v, %v", seen, err)
	}
	if _, err := store.Look(t.Context(), store.Options{URL: "postgres://olga:secret@127.0.0.1:1/bank"}); !errors.Is(err, store.ErrAway) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
}
