package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func node(name string) store.Node {
	return store.Node{
		Fleet: "edge", Name: name, Envoy: "1.40.0", Bootstrap: "1", Address: "192.0.2.1:4711", Entry: 3, Content: "c3",
		Labels: map[string]string{"zone": "a", "": "é"},
	}
}

func nodesComeBack(t *testing.T, s Subject) {
	var nodes []store.Node
	for i := range 300 {
		nodes = append(nodes, node(fmt.Sprintf("n%03d", i)))
	}
	done(t, s.Nodes.Put(t.Context(), nodes...))
	done(t, s.Nodes.Put(t.Context()))
	done(t, s.Nodes.Put(t.Context(), store.Node{Fleet: "core", Name: "n1"}))
	want := node("n007")
	want.FirstSeen, want.LastSeen = s.Clock.Now(), s.Clock.Now()
	equal(t, "one node", must(s.Nodes.Get(t.Context(), "edge", "n007"))(t), want)
	equal(t, "one fleet", len(must(s.Nodes.List(t.Context(), "edge"))(t)), 300)
	all := must(s.Nodes.List(t.Context(), ""))(t)
	equal(t, "all", len(all), 301)
	equal(t, "the first", all[0], store.Node{Fleet: "core", Name: "n1", FirstSeen: s.Clock.Now(), LastSeen: s.Clock.Now()})
	is(t, "a node of another fleet", failure(s.Nodes.Get(t.Context(), "core", "n007")), store.ErrNotFound)
}

func nodesKeep(t *testing.T, s Subject) {
	first := s.Clock.Now()
	done(t, s.Nodes.Put(t.Context(), node("a")))
	s.Clock.Advance(time.Hour)
	done(t, s.Nodes.Put(t.Context(), store.Node{Fleet: "edge", Name: "a", Envoy: "1.41.0"})) // Connected anew, nothing acknowledged.
	want := store.Node{
		Fleet: "edge", Name: "a", Envoy: "1.41.0", Entry: 3, Content: "c3", FirstSeen: first, LastSeen: s.Clock.Now(),
	}
	equal(t, "after a new connection", must(s.Nodes.Get(t.Context(), "edge", "a"))(t), want)

	late := node("a") // The daemon that handed over writes after its successor.
	late.LastSeen, late.Entry = first, 2
	done(t, s.Nodes.Put(t.Context(), late))
	equal(t, "after a late word", must(s.Nodes.Get(t.Context(), "edge", "a"))(t), want)

	done(t, s.Nodes.Put(t.Context(), store.Node{Fleet: "edge", Name: "a", Entry: 0, Content: "local"}))
	got := must(s.Nodes.Get(t.Context(), "edge", "a"))(t)
	equal(t, "a content without entry", fmt.Sprint(got.Entry, got.Content), "0local")
}

func nodesAtomic(t *testing.T, s Subject) {
	is(t, "one without name", s.Nodes.Put(t.Context(), node("a"), store.Node{Fleet: "edge"}), store.ErrInvalid)
	equal(t, "nodes", must(s.Nodes.List(t.Context(), ""))(t), []store.Node(nil))
}

func nodesForgotten(t *testing.T, s Subject) {
	done(t, s.Nodes.Put(t.Context(), node("a"), node("b")))
	s.Clock.Advance(time.Hour)
	done(t, s.Nodes.Put(t.Context(), node("b")))
	equal(t, "forgotten", must(s.Nodes.Forget(t.Context(), s.Clock.Now()))(t), 1)
	left := must(s.Nodes.List(t.Context(), ""))(t)
	if len(left) != 1 || left[0].Name != "b" {
		t.Errorf("left: %v, want b alone", left)
	}
}
