package cache

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
)

// hears tells which clusters a response brings.
func hears(t *testing.T, c deltaClient) string {
	t.Helper()
	var names []string
	for _, r := range hear(t, c).GetResources() {
		names = append(names, r.GetName())
	}
	return strings.Join(names, " ")
}

func TestPlanGivesANodeItsOwnSnapshot(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	exceptions := map[string]*Snapshot{"canary": shot(t, "cluster:new@1"), "held": nil}
	s.Use([]Plan{{Fleet: "edge", Default: shot(t, "cluster:old@1"), Nodes: exceptions}})
	delete(exceptions, "canary") // the server has its own copy
	for name, want := range map[string]string{"canary": "new", "other": "old"} {
		c := s.dial(t)
		say(t, c, hello("edge", name))
		if got := hears(t, c); got != want {
			t.Errorf("node %s gets %q, want %q", name, got, want)
		}
	}
	held := s.dial(t)
	say(t, held, hello("edge", "held"))
	s.events.await(t, "fleet has no snapshot: the node waits for one")
	s.Use(plans(shot(t, "cluster:newest@1")))
	if got := hears(t, held); got != "newest" {
		t.Errorf("the node that waited gets %q", got)
	}
}

// A node for which the plan has nothing more keeps what it has.
func TestPlanWithoutSnapshotTakesNothingAway(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	s.Use(plans(shot(t, "cluster:a@1")))
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	first := hear(t, c)
	s.Use([]Plan{{Fleet: "edge"}})
	s.events.await(t, "fleet has connected nodes and no snapshot")
	accepts(t, c, first)
	s.Use(plans(shot(t, "cluster:b@1")))
	if got := hears(t, c); got != "b" {
		t.Errorf("got %q", got)
	}
}

func TestFleetTellsWhatARolloutNeeds(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	changed := make(chan string, 100)
	s := serve(t, Settings{Now: func() time.Time { return start }, Changed: func(fleet string) { changed <- fleet }})
	await := func(why string) {
		t.Helper()
		select {
		case got := <-changed:
			if got != "edge" {
				t.Errorf("%s: fleet %q has changed", why, got)
			}
		case <-time.After(patience):
			t.Fatalf("%s, and nobody is told", why)
		}
	}
	one, two := shot(t, "cluster:a@1"), shot(t, "cluster:a@2")
	s.Use(plans(one))
	c := s.dial(t)
	first := hello("edge", "n")
	first.Node.Metadata.Fields[envoy.KeyLabels] = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		"tier": structpb.NewStringValue("gold"), "odd": structpb.NewNumberValue(1),
	}})
	say(t, c, first)
	await("it connected")
	accepts(t, c, hear(t, c))
	opens(t, c, TypeListener, nil)
	accepts(t, c, hear(t, c))
	await("it acknowledged all")
	s.Use(plans(two))
	refuses(t, c, hear(t, c), "no")
	await("it refused")

	want := Node{
		Fleet: "edge", Name: "n", Address: "unix", Envoy: "1.40.0", Bootstrap: envoy.BootstrapVersion, Labels: map[string]string{"tier": "gold"},
		Connected: start, State: StateRefused, Streams: 1,
		Revision: "cluster:a@2", Snapshot: two.Version(), Acknowledged: "cluster:a@1", AcknowledgedSnapshot: one.Version(),
	}
	fleet := func() Node {
		t.Helper()
		nodes := s.Fleet("edge")
		if len(nodes) != 1 || len(s.Fleet("other")) > 0 {
			t.Fatalf("nodes %+v, and of another fleet %+v", nodes, s.Fleet("other"))
		}
		if nodes[0].LastRefusal == nil || nodes[0].LastRefusal.Text != "no" {
			t.Errorf("refusal %+v", nodes[0].LastRefusal)
		}
		nodes[0].LastRefusal = nil
		return nodes[0]
	}
	if diff := cmp.Diff(want, fleet()); diff != "" {
		t.Error(diff)
	}
	if err := c.CloseSend(); err != nil {
		t.Fatal(err)
	}
	await("it left")
	want.State, want.Disconnected, want.Streams = StateDisconnected, start, 0
	if diff := cmp.Diff(want, fleet()); diff != "" {
		t.Error(diff)
	}
}

func TestAcknowledgementOutlivesAStreamIfTheResourcesDo(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	snapshot := shot(t, "cluster:a@1")
	s.Use(plans(snapshot))
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	accepts(t, c, hear(t, c))
	opens(t, c, TypeListener, nil)
	accepts(t, c, hear(t, c))
	s.events.await(t, "node acknowledged a revision")
	if err := c.CloseSend(); err != nil {
		t.Fatal(err)
	}
	s.events.await(t, "node disconnected")
	for _, held := range []map[string]string{{"a": snapshot.Resources(TypeCluster)[0].Version}, nil} {
		c := s.dial(t)
		again := hello("edge", "n")
		again.InitialResourceVersions = held
		say(t, c, again)
		s.events.await(t, "node connected")
		opens(t, c, TypeSecret, nil, "unknown") // its answer comes after the first request was heard
		for hear(t, c).GetTypeUrl() != TypeSecret {
			continue
		}
		if got := s.Fleet("edge")[0].Acknowledged; (got != "") != (held != nil) {
			t.Errorf("a node that came back with %v has acknowledged %q", held, got)
		}
		if err := c.CloseSend(); err != nil {
			t.Fatal(err)
		}
		s.events.await(t, "node disconnected")
	}
}
