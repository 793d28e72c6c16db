package store_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/store"
)

// soon is how long what must come by itself may take.
const soon = 20 * time.Second

// comesBack waits until changes are made again.
func comesBack(t *testing.T, s *store.Store) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(soon); ; <-ticker.C {
		err := s.Meta.Set(t.Context(), "back", "yes")
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrAway) || time.Now().After(deadline) {
			t.Fatalf("the store does not come back: %v", err)
		}
	}
}

// isAway checks that each kind of call fails with ErrAway, within a time.
func isAway(t *testing.T, s *store.Store, within time.Duration) {
	t.Helper()
	for what, call := range map[string]func(ctx context.Context) error{
		"reading":  func(ctx context.Context) error { _, err := s.History.Get(ctx, 1); return err },
		"changing": func(ctx context.Context) error { return s.Meta.Set(ctx, "a", "c") },
		"a lease":  func(ctx context.Context) error { _, err := s.Leases.Take(ctx, "rollouts", "a", time.Hour); return err },
		"a beat":   func(ctx context.Context) error { return s.Replicas.Beat(ctx, store.Replica{ID: "a"}) },
		"several": func(ctx context.Context) error {
			return s.Together(ctx, func(ctx context.Context, s *store.Store) error { return s.Meta.Set(ctx, "a", "c") })
		},
		"a check": s.Check,
		"a dump":  func(ctx context.Context) error { return s.Dump(ctx, io.Discard) },
		"a load":  func(ctx context.Context) error { return s.Load(ctx, strings.NewReader("{}")) },
	} {
		began := time.Now()
		err := call(t.Context())
		if took := time.Since(began); !errors.Is(err, store.ErrAway) || took > within {
			t.Errorf("%s: %v after %v, want ErrAway within %v", what, err, took, within)
		}
	}
}

// anything waits for the notice that anything may have changed.
func anything(t *testing.T, feed <-chan store.Notice) {
	t.Helper()
	late := time.After(soon)
	for {
		select {
		case n := <-feed:
			if n == (store.Notice{}) {
				return
			}
		case <-late:
			t.Fatal("nothing was told")
		}
	}
}

// TestPostgresAway stops, kills and pauses PostgreSQL under an open store: calls fail soon, and the store comes back by itself
// with all that was confirmed.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	server := needs.Postgres(t)
	url := server.Database()
	s := open(t, store.Options{URL: url, Timeout: time.Second})
	addEntry(t, s, "c1")
	feed := s.Watch(t.Context())
	anything(t, feed)
	for what, end := range map[string]func(){"stopped": server.Stop, "killed": server.Kill} {
		end()
		isAway(t, s, 3*time.Second)
		_, err := store.Open(t.Context(), store.Options{URL: url})
		if !errors.Is(err, store.ErrAway) || strings.Contains(err.Error(), server.Password()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("opening a store that is %s: %v", what, err)
		}
		server.Start()
		comesBack(t, s)
		anything(t, feed)
		if _, err := s.History.Get(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if v, err := s.Meta.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("what was refused is there: %q, %v", v, err)
		}
	}
	server.Pause()
	isAway(t, s, 3*time.Second)
	server.Resume()
	comesBack(t, s)
}

// TestConnectionsLost ends every connection of an open store, as a restart of what is between would.
func TestConnectionsLost(t *testing.T) {
	t.Parallel()
	server := cluster.For(t)
	url := server.Database()
	s := open(t, store.Options{URL: url})
	feed := s.Watch(t.Context())
	anything(t, feed)
	for range 3 {
		addEntry(t, s, "c")
		server.SQL("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+bankOf(url)+"'")
		anything(t, feed)
		comesBack(t, s)
	}
	if entries, err := s.History.List(t.Context(), store.Query{}); err != nil || len(entries) != 3 {
		t.Errorf("%d entries, %v, want 3", len(entries), err)
	}
}
