package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// TestDurable pins the settings on which the promise rests that what is confirmed is on the disk. A power cut cannot be tested
// here; kill -9 is, by TestKilled.
func TestDurable(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Dir: t.TempDir()})
	for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "secure_delete": "1", "temp_store": "2"} {
		if got, err := s.Setting(t.Context(), name); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", name, got, err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]store.Options{
		"no directory":        {},
		"a short sealing key": {Dir: t.TempDir(), SealingKey: make([]byte, 31)},
	} {
		if _, err := store.Open(t.Context(), o); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

// TestOpenedTogether opens a store that is not there yet by several at once.
func TestOpenedTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			s, err := store.Open(t.Context(), store.Options{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			if _, err := s.History.Add(t.Context(), store.Entry{Content: fmt.Sprint(i), State: "live"}, derived("x", 1)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	entries, err := open(t, store.Options{Dir: dir}).History.List(t.Context(), store.Query{})
	if err != nil || len(entries) != 8 {
		t.Errorf("%d entries, %v, want 8", len(entries), err)
	}
}

// TestLockedByAnother holds the lock in one store and writes and reads in another.
func TestLockedByAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder := open(t, store.Options{Dir: dir})
	addEntry(t, holder, "c1")
	s := open(t, store.Options{Dir: dir, Wait: 50 * time.Millisecond})
	patient := open(t, store.Options{Dir: dir})
	if err := holder.Exec(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Meta.Set(t.Context(), "a", "b"); !errors.Is(err, store.ErrBusy) {
		t.Errorf("a change: %v, want ErrBusy", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := patient.Meta.Set(ctx, "a", "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a change under a deadline: %v", err)
	}
	if _, err := s.History.Get(t.Context(), 1); err != nil {
		t.Errorf("reading: %v", err)
	}
	set := make(chan error)
	go func() { set <- patient.Meta.Set(t.Context(), "a", "b") }()
	if err := holder.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-set; err != nil {
		t.Errorf("a change after the lock was released: %v", err)
	}
}

// TestCallsEnd lets a call without deadline wait for a connection that is never given back.
func TestCallsEnd(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Dir: t.TempDir(), Timeout: 50 * time.Millisecond})
	release := s.Occupy(t)
	defer release()
	if err := s.Meta.Set(t.Context(), "a", "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a change: %v, want the end of its time", err)
	}
}

// TestFull lets a change hit the bound of the database in its midst.
// TestRemovedWhileInUse takes the file away: what would be confirmed then would be gone.
func TestRemovedWhileInUse(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Dir: t.TempDir()})
	addEntry(t, s, "c1")
	if err := os.Rename(s.Path(), s.Path()+".away"); err != nil {
		t.Fatal(err)
	}
	for _, put := range []string{"nothing", "another file"} {
		if _, err := s.History.Add(t.Context(), store.Entry{Content: "c2", State: "live"}, derived("c2", 0)); !errors.Is(err, store.ErrGone) {
			t.Errorf("with %s in its place: %v, want ErrGone", put, err)
		}
		if err := os.WriteFile(s.Path(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(s.Path()+".away", s.Path()); err != nil {
		t.Fatal(err)
	}
	addEntry(t, s, "c2")
}

func TestFull(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Dir: t.TempDir()})
	addEntry(t, s, "c1")
	pages, err := s.Setting(t.Context(), "page_count")
	if err == nil {
		err = s.Exec(t.Context(), "PRAGMA max_page_count = "+pages)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.History.Add(t.Context(), store.Entry{Content: "c2", State: "live"}, derived("c2", 0)); !errors.Is(err, store.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	if _, err := s.History.Files(t.Context(), "c2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half of a content: %v", err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Exec(t.Context(), "PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	addEntry(t, s, "c2") // There is room again, and nothing was opened anew.
}
