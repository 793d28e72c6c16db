package cache

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestServerDelivers(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	s := serve(t, Settings{Now: func() time.Time { return start }})
	snapshot := shot(t, "cluster:a@1 listener:l@1")
	s.Use(plans(snapshot))
	c := s.dial(t)
	say(t, c, hello("edge", "edge-1"))
	first := hear(t, c)
	accepts(t, c, first)
	opens(t, c, TypeListener, nil)
	second := hear(t, c)
	accepts(t, c, second)
	if got := s.events.await(t, "node acknowledged a revision"); got["revision"] != "cluster:a@1 listener:l@1" {
		t.Errorf("attributes %v", got)
	}
	next := shot(t, "cluster:a@2 listener:l@1")
	s.Use(plans(next))
	third := hear(t, c)
	if got := third.GetResources()[0].GetName(); got != "a" || third.GetTypeUrl() != TypeCluster {
		t.Errorf("after the change came %s %q", third.GetTypeUrl(), got)
	}

	bytes := uint64(proto.Size(first) + proto.Size(third))
	want := []Node{{
		Fleet: "edge", Name: "edge-1", Envoy: "1.40.0", Bootstrap: envoy.BootstrapVersion, Connected: start, Address: "unix",
		State: StateBehind, Streams: 1,
		Revision: "cluster:a@2 listener:l@1", Snapshot: next.Version(),
		Acknowledged: "cluster:a@1 listener:l@1", AcknowledgedSnapshot: snapshot.Version(),
		Types: []TypeStatus{
			{Type: TypeCluster, Wanted: 1, Outstanding: true, Responses: 2, Bytes: bytes},
			{Type: TypeListener, Wanted: 1, Acknowledged: 1, Responses: 1, Bytes: uint64(proto.Size(second))},
		},
	}}
	if diff := cmp.Diff(want, s.Nodes()); diff != "" {
		t.Error(diff)
	}
	if got, want := s.BytesSent(), s.Nodes()[0].Sent(); got != want {
		t.Errorf("%d bytes are counted, and %d for the only node", got, want)
	}
	wantCounters := TypeCounters{Type: TypeCluster, Responses: 2, Resources: 2, Bytes: bytes}
	if diff := cmp.Diff(wantCounters, s.Counters()[0]); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownFleetWaitsAndIsVisible(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	c := s.dial(t)
	say(t, c, hello("nowhere", "n"))
	if got := s.events.await(t, "fleet has no snapshot: the node waits for one"); got["fleet"] != "nowhere" || got["node"] != "n" {
		t.Errorf("attributes %v", got)
	}
	if nodes := s.Nodes(); len(nodes) != 1 || nodes[0].State != StateWaiting {
		t.Errorf("nodes %+v, want one that waits", nodes)
	}
	other, err := NewSnapshot("nowhere", "1", []Item{{Message: message(clusters, "a", "1")}})
	if err != nil {
		t.Fatal(err)
	}
	s.Use(plans(shot(t, "cluster:b@1"), other))
	if r := hear(t, c); r.GetResources()[0].GetName() != "a" {
		t.Errorf("got %v", r)
	}
	s.Use(plans(shot(t, "cluster:b@1")))
	if got := s.events.await(t, "fleet has connected nodes and no snapshot"); got["fleet"] != "nowhere" {
		t.Errorf("attributes %v", got)
	}
}

func TestStreamsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{Hello: 20 * time.Millisecond, Names: 5})
	many := hello("edge", "n")
	many.ResourceNamesSubscribe = strings.Fields("a b c d e f")
	for name, test := range map[string]struct {
		first *discoveryv3.DeltaDiscoveryRequest
		want  codes.Code
		text  string
	}{
		"no fleet":        {hello("", "n"), codes.InvalidArgument, "node.cluster"},
		"no name":         {hello("edge", ""), codes.InvalidArgument, "node.id"},
		"no node":         {&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeCluster}, codes.InvalidArgument, "node.id"},
		"long name":       {hello("edge", strings.Repeat("n", maxName+1)), codes.InvalidArgument, "bytes"},
		"too many names":  {many, codes.ResourceExhausted, "6 resource names"},
		"says nothing":    {nil, codes.DeadlineExceeded, "in time"},
		"closes at once":  {nil, codes.OK, ""},
		"unserved type":   {&discoveryv3.DeltaDiscoveryRequest{Node: edgeNode("edge", "n"), TypeUrl: "x"}, codes.OK, ""},
		"several streams": {hello("edge", "n"), codes.OK, ""},
	} {
		c := s.dial(t)
		if test.first != nil {
			say(t, c, test.first)
		}
		if test.want == codes.OK {
			if err := c.CloseSend(); err != nil {
				t.Fatal(err)
			}
		}
		_, err := c.Recv()
		if got := status.Code(err); test.want != codes.OK && got != test.want || err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, want %s with %q", name, err, test.want, test.text)
		}
	}
}

func TestStateOfTheWorldIsRefused(t *testing.T) {
	t.Parallel()
	c, err := serve(t, Settings{}).client(t).StreamAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Recv()
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "api_type: DELTA_GRPC") {
		t.Errorf("error %v", err)
	}
}

func TestRefusalIsRecordedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	s.Use(plans(shot(t, "cluster:bad@1 cluster:good@1")))
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	const words = "Error adding/updating cluster(s) bad: no"
	refuses(t, c, hear(t, c), words)
	logged := s.events.await(t, "node refused a response")
	want := map[string]any{
		"fleet": "edge", "node": "n", "type": TypeCluster, "resources": []string{"bad", "good"}, "total": int64(2),
		"origins": []string{"bank.yaml:bad", "bank.yaml:good"}, "error": words,
	}
	if diff := cmp.Diff(want, logged); diff != "" {
		t.Error(diff)
	}
	s.Use(plans(shot(t, "cluster:bad@2 cluster:good@1")))
	if r := hear(t, c); len(r.GetResources()) != 1 {
		t.Errorf("after the refusal came %v", r)
	}
	for len(s.events.records) > 0 {
		if r := <-s.events.records; r.Message == "node refused a response" {
			t.Error("the refusal is logged twice")
		}
	}
	node := s.Nodes()[0]
	if node.State != StateRefused || node.LastRefusal == nil || node.LastRefusal.Text != words || !node.LastRefusal.Suspects[0].Named {
		t.Errorf("node %+v, refusal %+v", node, node.LastRefusal)
	}
	if got := s.Counters()[0].Refusals; got != 1 {
		t.Errorf("%d refusals are counted", got)
	}
}

func TestReconnectionSendsNothingAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	snapshot := shot(t, "cluster:a@1 listener:l@1")
	s.Use(plans(snapshot))
	c := s.dial(t)
	first := hello("edge", "n")
	first.InitialResourceVersions = map[string]string{"a": snapshot.Resources(TypeCluster)[0].Version}
	say(t, c, first)
	opens(t, c, TypeListener, map[string]string{"l": snapshot.Resources(TypeListener)[0].Version})
	opens(t, c, TypeSecret, nil, "unknown")
	if r := hear(t, c); r.GetTypeUrl() != TypeSecret {
		t.Errorf("a response of type %s", r.GetTypeUrl())
	}
	if got := s.Nodes()[0].Sent(); got > 200 {
		t.Errorf("%d bytes are sent", got)
	}
}

func TestBarrierIsBoundedByTheClock(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{Barrier: 10 * time.Millisecond})
	s.Use(plans(shot(t, "cluster:a@1 listener:l@1")))
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	hear(t, c) // and it is never acknowledged
	opens(t, c, TypeListener, nil)
	if r := hear(t, c); r.GetTypeUrl() != TypeListener {
		t.Errorf("a response of type %s", r.GetTypeUrl())
	}
	s.events.await(t, "node did not acknowledge clusters in time, delivery goes on with what is known to be warm")
}

func TestNodeThatDoesNotReadIsDisconnected(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{SendTimeout: 20 * time.Millisecond})
	var items []Item
	for i := range 100 {
		for _, k := range []kind{clusters, endpoints} {
			items = append(items, Item{Message: message(k, fmt.Sprint(i), strings.Repeat("x", 10_000))})
		}
	}
	big, err := NewSnapshot("edge", "1", items)
	if err != nil {
		t.Fatal(err)
	}
	s.Use(plans(big))
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	opens(t, c, TypeEndpoints, nil, "*") // gRPC takes one response beyond its window, and stops at the second
	if got := s.events.await(t, "node disconnected"); got["reason"] != errSlow.Error() {
		t.Errorf("attributes %v", got)
	}
	if got := s.Nodes()[0].State; got != StateDisconnected {
		t.Errorf("state %s", got)
	}
}

func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	s.events.await(t, "node connected")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ends with %v", err)
	}
	if _, err := s.dial(t).Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a new stream ends with %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

func TestDisconnectedNodesAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	s := serve(t, Settings{Keep: time.Hour, Nodes: 2, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	connect := func(name string) deltaClient {
		now.Add(1)
		c := s.dial(t)
		say(t, c, hello("edge", name))
		return c
	}
	leave := func(c deltaClient) {
		if err := c.CloseSend(); err != nil {
			t.Fatal(err)
		}
		s.events.await(t, "node disconnected")
	}
	names := func() string {
		var all []string
		for _, n := range s.Nodes() {
			all = append(all, n.Name+" "+string(n.State))
		}
		return strings.Join(all, ", ")
	}
	expect := func(want string) {
		t.Helper()
		if got := names(); got != want {
			t.Errorf("nodes %q, want %q", got, want)
		}
	}
	one := connect("1")
	s.events.await(t, "node connected")
	leave(one)
	two := connect("2")
	s.events.await(t, "node connected")
	expect("1 disconnected, 2 waiting")
	connect("3")
	s.events.await(t, "node connected")
	expect("2 waiting, 3 waiting") // the one that is gone makes room
	if _, err := connect("4").Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a node too many: %v", err)
	}
	again := connect("2") // a node that has a stream already
	s.events.await(t, "node has another stream: two proxies of one name, or the former is not known to be dead yet")
	if got := s.Nodes()[0].Streams; got != 2 {
		t.Errorf("%d streams", got)
	}
	leave(two)
	expect("2 waiting, 3 waiting")
	leave(again)
	expect("2 disconnected, 3 waiting")
	now.Add(3600)
	expect("2 disconnected, 3 waiting")
	now.Add(1)
	expect("3 waiting")
}

func TestTwoEnvoysOfOneNameAreBothServed(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	first, second := s.dial(t), s.dial(t)
	for _, c := range []deltaClient{first, second} {
		say(t, c, hello("edge", "twin"))
		s.events.await(t, "node connected")
	}
	s.Use(plans(shot(t, "cluster:a@1")))
	for _, c := range []deltaClient{first, second} {
		if r := hear(t, c); r.GetResources()[0].GetName() != "a" {
			t.Errorf("got %v", r)
		}
	}
	for i := range maxStreams - 1 {
		c := s.dial(t)
		say(t, c, hello("edge", "twin"))
		_, err := c.Recv()
		if want := i == maxStreams-2; want != (status.Code(err) == codes.ResourceExhausted) {
			t.Errorf("stream %d: %v", i+3, err)
		}
	}
}
