package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// TestBackupIsRestored backs a store up while it is written to, and opens the copy in its place.
func TestBackupIsRestored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	addEntry(t, s, "before")
	started, stop, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		close(started)
		var err error
		for i := 0; err == nil; i++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
				_, err = s.Observed.Put(t.Context(), store.Value{Kind: "endpoints", Name: "pay", Value: []byte{byte(i)}}, store.AnyVersion)
			}
		}
		ended <- err
	}()
	<-started
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	addEntry(t, s, "after")
	if err := s.Backup(t.Context(), copied); !errors.Is(err, store.ErrThere) {
		t.Errorf("a second backup to the same place: %v", err)
	}
	_ = s.Close()
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(copied)); err != nil || len(left) != 1 {
		t.Errorf("beside the copy there is %v, %v", left, err)
	}
	if err := os.Rename(copied, s.Path()); err != nil {
		t.Fatal(err)
	}
	restored := open(t, store.Options{Dir: dir})
	entries, err := restored.History.List(t.Context(), store.Query{})
	if err != nil || len(entries) != 1 || entries[0].Content != "before" {
		t.Errorf("restored: %v, %v", entries, err)
	}
	addEntry(t, restored, "after all")
}

func TestBackupLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Dir: t.TempDir()})
	addEntry(t, s, "c1")
	into := t.TempDir()
	_ = s.Close()
	if err := s.Backup(t.Context(), filepath.Join(into, "copy.db")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("backup of a closed store: %v", err)
	}
	if left, err := os.ReadDir(into); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := s.Backup(t.Context(), filepath.Join(into, "none", "copy.db")); err == nil {
		t.Error("a backup into a directory that does not exist succeeded")
	}
}
