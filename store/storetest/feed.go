package storetest

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// keyOf is a sealing key.
func keyOf(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// until reads notices until one is there that tells of what is wanted: by name, or as one that says anything.
func until(t *testing.T, feed <-chan store.Notice, want ...store.Notice) store.Notice {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case n, open := <-feed:
			if !open {
				t.Fatalf("the feed ended before %v", want)
			}
			if slices.Contains(want, n) {
				return n
			}
		case <-late:
			t.Fatalf("no notice of %v", want)
		}
	}
}

func feedTells(t *testing.T, s Subject) {
	ctx := t.Context()
	other := s.Open(t, store.Options{})
	own, others := s.Watch(ctx), other.Watch(ctx)
	until(t, own, store.Notice{})
	until(t, others, store.Notice{})
	s.add(t, 1, "live")
	entry := store.Notice{Concern: store.ConcernHistory, Key: "1"}
	until(t, own, entry)
	until(t, others, entry, store.Notice{}) // By name or not, as the database can.
	done(t, other.Together(ctx, func(ctx context.Context, s *store.Store) error {
		done(t, s.Meta.Set(ctx, "domain", "bank.test"))
		return s.History.SetState(ctx, 1, "live", "superseded", "")
	}))
	until(t, others, store.Notice{Concern: store.ConcernMeta, Key: "domain"})
	until(t, others, entry)
	until(t, own, store.Notice{Concern: store.ConcernMeta, Key: "domain"}, store.Notice{})
	must(s.Leases.Take(ctx, "rollouts", "a", ttl))(t)
	until(t, others, store.Notice{Concern: store.ConcernLeases, Key: "rollouts"}, store.Notice{})
	done(t, s.Replicas.Beat(ctx, store.Replica{ID: "a"}))
	until(t, others, store.Notice{Concern: store.ConcernReplicas, Key: "a"}, store.Notice{})
}

// feedEnds ends one watcher by its context and one by closing the store.
func feedEnds(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	first, second := s.Watch(ctx), s.Watch(t.Context())
	cancel()
	ended(t, first)
	until(t, second, store.Notice{})
	done(t, s.Meta.Set(t.Context(), "a", "b"))
	until(t, second, store.Notice{Concern: store.ConcernMeta, Key: "a"})
	done(t, s.Close())
	ended(t, second)
	ended(t, s.Watch(t.Context()))
}

func ended(t *testing.T, feed <-chan store.Notice) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case _, open := <-feed:
			if !open {
				return
			}
		case <-late:
			t.Fatal("the feed goes on")
		}
	}
}

// feedIsBounded lets a watcher sleep through more changes than are kept for it: it is told that anything may have changed.
func feedIsBounded(t *testing.T, s Subject) {
	ctx := t.Context()
	feed := s.Watch(ctx)
	until(t, feed, store.Notice{})
	nodes := make([]store.Node, 600)
	for i := range nodes {
		nodes[i] = store.Node{Fleet: string(rune('a' + i)), Name: "n"}
	}
	done(t, s.Nodes.Put(ctx, nodes...))
	until(t, feed, store.Notice{})
}
