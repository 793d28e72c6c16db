package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/store"
)

// TestChores lets a daemon find a store in which much is old: it removes that, and nothing else.
func TestChores(t *testing.T) {
	t.Parallel()
	dir := needs.SocketDir(t)
	now := time.Now()
	old, err := store.Open(t.Context(), store.Options{Dir: dir, Now: func() time.Time { return now.Add(-2 * keptFor) }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range keptEntries + 50 {
		state := stateSuperseded
		if i == 3 {
			state = stateHeld
		}
		content := fmt.Sprint("content-", i)
		if _, err := old.History.Add(t.Context(), store.Entry{Content: content, State: state}, map[string][]byte{nothing: nil}); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Nodes.Put(t.Context(), store.Node{Fleet: "edge", Name: "old", Entry: 7, Content: "content-6"},
		store.Node{Fleet: "edge", Name: "new", Entry: 8, Content: "content-7", LastSeen: now}); err != nil {
		t.Fatal(err)
	}
	for id, expires := range map[string]time.Time{"old": now.Add(-keptFor - time.Hour), "new": now.Add(time.Hour)} {
		if _, err := old.Tokens.Create(t.Context(), store.Token{ID: id, Fleet: "edge", Uses: 1, Expires: expires}, make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := New(Options{State: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	chores := s.chores(0)
	if err := chores.start(); err != nil {
		t.Fatal(err)
	}
	left := func() []int64 {
		found, err := s.store.History.List(t.Context(), store.Query{Limit: 1000})
		if err != nil {
			t.Error(err)
		}
		var numbers []int64
		for _, e := range found {
			numbers = append(numbers, e.Number)
		}
		return numbers
	}
	// The start itself adds the entry of the empty configuration, which takes the held one's place.
	const want = keptEntries + 1 // And entry 8, which a node has.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); len(left()) != want; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d entries are left, want %d", len(left()), want)
		}
	}
	if oldest := left()[want-1]; oldest != 8 {
		t.Errorf("the oldest entry is %d, want that which a node has, 8", oldest)
	}
	nodes, err := s.store.Nodes.List(t.Context(), "")
	if err != nil || len(nodes) != 1 || nodes[0].Name != "new" {
		t.Errorf("nodes left: %+v, %v", nodes, err)
	}
	tokens, err := s.store.Tokens.List(t.Context(), "")
	if err != nil || len(tokens) != 1 || tokens[0].ID != "new" {
		t.Errorf("tokens left: %+v, %v", tokens, err)
	}
	if got := s.known.get("edge", "old").Name; got != "" {
		t.Errorf("the daemon still knows node %s", got)
	}

	// It begins again where it was not ended, as after a hand-over that failed, and where it was.
	for range 2 {
		if err := errors.Join(chores.start(), chores.stop(t.Context()), chores.stop(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// TestJitter stays within a tenth.
func TestJitter(t *testing.T) {
	t.Parallel()
	for range 1000 {
		if got := jittered(time.Hour); got < 54*time.Minute || got > 66*time.Minute {
			t.Fatalf("%s", got)
		}
	}
}
