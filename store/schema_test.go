package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/gatehouse/gatehouse/store"
)

// later are the migrations of this version and one more.
func later(t *testing.T) fs.FS {
	t.Helper()
	steps, err := store.Steps()
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(steps, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	all := fstest.MapFS{"90000_later.sql": {Data: []byte("-- +goose Up\nALTER TABLE nodes ADD COLUMN region TEXT NOT NULL DEFAULT '';\n")}}
	for _, name := range names {
		data, err := fs.ReadFile(steps, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &fstest.MapFile{Data: data}
	}
	return all
}

// TestNewerIsRefused goes forward one version and back again.
func TestNewerIsRefused(t *testing.T) {
	t.Parallel()
	dir, path := filled(t)
	newer := open(t, store.WithSteps(store.Options{Dir: dir}, later(t)))
	if err := newer.Close(); err != nil {
		t.Fatal(err)
	}
	refuses(t, dir, path, store.ErrNewer, "start the newer version")

	// The copy that the newer version made first is the way back.
	copies, err := filepath.Glob(path + ".schema-*")
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies: %v, %v", copies, err)
	}
	if err := os.Rename(copies[0], path); err != nil {
		t.Fatal(err)
	}
	back := open(t, store.Options{Dir: dir})
	if _, err := back.History.Get(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

// TestOldBesideNew is the hand-over of an upgrade: the old daemon works on the new schema until it ends.
func TestOldBesideNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := open(t, store.Options{Dir: dir})
	addEntry(t, old, "c1")
	newer := open(t, store.WithSteps(store.Options{Dir: dir}, later(t)))
	addEntry(t, old, "c2")
	addEntry(t, newer, "c3")
	for _, s := range []*store.Store{old, newer} {
		if err := s.Nodes.Put(t.Context(), store.Node{Fleet: "edge", Name: "a"}); err != nil {
			t.Error(err)
		}
		if entries, err := s.History.List(t.Context(), store.Query{}); err != nil || len(entries) != 3 {
			t.Errorf("%d entries, %v, want 3", len(entries), err)
		}
	}
}

// TestBrokenStepChangesNothing opens a store with a migration that fails half way.
func TestBrokenStepChangesNothing(t *testing.T) {
	t.Parallel()
	dir, _ := filled(t)
	steps := later(t).(fstest.MapFS)
	steps["90000_later.sql"].Data = []byte("-- +goose Up\nDELETE FROM entries;\nALTER TABLE none ADD COLUMN x TEXT;\n")
	if s, err := store.Open(t.Context(), store.WithSteps(store.Options{Dir: dir}, steps)); err == nil {
		_ = s.Close()
		t.Fatal("a broken migration went through")
	}
	again := open(t, store.Options{Dir: dir})
	if _, err := again.History.Get(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestForeignIsRefused(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"tables":          {"PRAGMA application_id = 0", "CREATE TABLE theirs (x)"},
		"a mark of their": {"PRAGMA application_id = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, store.Options{Dir: dir})
			for _, statement := range statements {
				if err := s.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			_ = s.Close()
			refuses(t, dir, s.Path(), store.ErrForeign, "choose another state directory")
		})
	}
	t.Run("a directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, store.File), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), store.Options{Dir: dir}); !errors.Is(err, store.ErrForeign) {
			t.Errorf("%v, want ErrForeign", err)
		}
	})
}
