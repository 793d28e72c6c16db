package cache

import (
	"strings"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/gatehouse/gatehouse/envoy"
)

// helloOf is the first request of an Envoy of a version 1.MINOR.0.
func helloOf(name string, minor uint32) *discoveryv3.DeltaDiscoveryRequest {
	first := hello("edge", name)
	first.GetNode().GetUserAgentBuildVersion().GetVersion().MinorNumber = minor
	return first
}

// An Envoy that may not understand what it is sent is reported when it connects and before each snapshot, once, and served.
func TestTooOldNodeIsReportedAndServed(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	first := shot(t, "cluster:a@1")
	s.Use(plans(first))
	young := s.dial(t)
	say(t, young, helloOf("young", 37))
	accepts(t, young, hear(t, young))
	c := s.dial(t)
	say(t, c, helloOf("old", 36))
	connected := s.events.await(t, "node is too old")
	if connected["node"] != "old" || connected["envoy"] != "1.36.0" || !strings.Contains(connected["warning"].(string), "older than "+envoy.Oldest) {
		t.Errorf("when it connects is said %v", connected)
	}
	if got := s.events.await(t, "a snapshot is for a node that is too old"); got["node"] != "old" || got["snapshot"] != first.Version() {
		t.Errorf("of the first snapshot is said %v", got)
	}
	accepts(t, c, hear(t, c))
	next := shot(t, "cluster:a@2")
	s.Use(plans(next))
	if got := s.events.await(t, "a snapshot is for a node that is too old"); got["node"] != "old" || got["snapshot"] != next.Version() {
		t.Errorf("of the next snapshot is said %v", got)
	}
	accepts(t, c, hear(t, c))
	if err := c.CloseSend(); err != nil {
		t.Fatal(err)
	}
	s.events.await(t, "node disconnected")

	again := s.dial(t)
	say(t, again, helloOf("old", 36))
	hear(t, again) // What is to be said was said before it was sent.
	for len(s.events.records) > 0 {
		if r := <-s.events.records; r.Message == "a snapshot is for a node that is too old" {
			t.Error("the same snapshot is reported twice")
		}
	}
	for _, n := range s.Nodes() {
		if tooOld := n.Warning != ""; tooOld != (n.Name == "old") {
			t.Errorf("node %s of Envoy %s has the warning %q", n.Name, n.Envoy, n.Warning)
		}
	}
}
