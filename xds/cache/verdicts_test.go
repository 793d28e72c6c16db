package cache

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusing connects nodes that get a good and a bad cluster; those named refuse the bad one.
func refusing(t *testing.T, s *serving, nodes string, bad string) map[string]deltaClient {
	t.Helper()
	all := map[string]deltaClient{}
	for name := range strings.FieldsSeq(nodes) {
		c := s.dial(t)
		all[name] = c
		say(t, c, hello("edge", name))
		r := hear(t, c)
		if !strings.Contains(bad, name) {
			accepts(t, c, r)
			opens(t, c, TypeListener, nil)
			hear(t, c) // its acknowledgement was heard
			continue
		}
		refuses(t, c, r, "Error adding/updating cluster(s) bad: no")
		s.events.await(t, "node refused a response")
	}
	return all
}

func states(s *serving) string {
	var all []string
	for _, n := range s.Fleet("edge") {
		all = append(all, n.Name+" "+string(n.State))
	}
	return strings.Join(all, ", ")
}

func TestRefusalOfOneNodeIsItsOwn(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	s.Use(plans(shot(t, "cluster:bad@1 cluster:good@1")))
	nodes := refusing(t, s, "1 2", "1")
	if got := states(s); got != "1 refused (local), 2 behind" {
		t.Errorf("states %q", got)
	}
	verdicts := s.Refused()
	if len(verdicts) != 1 || verdicts[0].Name != "bad" || verdicts[0].Origin != "bank.yaml:bad" || verdicts[0].Fleet != "edge" ||
		verdicts[0].Nodes[0] != "1" || !verdicts[0].Acknowledged || verdicts[0].Blame != BlameNode {
		t.Errorf("verdicts %+v", verdicts)
	}
	// It comes back, and is tried once more: the trouble may be over.
	if err := nodes["1"].CloseSend(); err != nil {
		t.Fatal(err)
	}
	s.events.await(t, "node disconnected")
	again := s.dial(t)
	say(t, again, hello("edge", "1"))
	if got := hears(t, again); got != "bad good" {
		t.Errorf("it gets %q", got)
	}
}

func TestRefusalOfTwoNodesIsTheResources(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	s.Use(plans(shot(t, "cluster:bad@1 cluster:good@1")))
	nodes := refusing(t, s, "1", "1")
	if got := s.Refused(); len(got) != 1 || got[0].Blame != BlameResource {
		t.Errorf("the only node refused it: %+v", got)
	}
	nodes["2"] = refusing(t, s, "2", "2")["2"]
	if got := s.Refused(); len(got) != 1 || got[0].Blame != BlameResource || len(got[0].Nodes) != 2 {
		t.Errorf("both nodes refused it: %+v", got)
	}
	third := s.dial(t)
	say(t, third, hello("edge", "3"))
	first := hear(t, third)
	if len(first.GetResources()) != 1 || first.GetResources()[0].GetName() != "good" {
		t.Errorf("a third node gets %v", first)
	}
	accepts(t, third, first)
	opens(t, third, TypeListener, nil)
	hear(t, third)
	if got := states(s); got != "1 refused, 2 refused, 3 refused" {
		t.Errorf("states %q", got)
	}
	if s.Retry("edge", "nobody") {
		t.Error("an unknown node is retried")
	}
	if !s.Retry("edge", "3") {
		t.Error("the node is not known")
	}
	retried := hear(t, third)
	if len(retried.GetResources()) != 1 || retried.GetResources()[0].GetName() != "bad" {
		t.Errorf("after the retry the third node gets %v", retried)
	}
	accepts(t, third, retried)
	opens(t, third, TypeSecret, nil, "unknown")
	hear(t, third)
	if got := states(s); got != "1 refused (local), 2 refused (local), 3 behind" {
		t.Errorf("states %q", got)
	}
	if !s.Retry("edge", "1") {
		t.Error("the node is not known")
	}
	if got := hears(t, nodes["1"]); got != "bad" {
		t.Errorf("after the retry the first node gets %q", got)
	}
}

func TestOldStreamEndsWhenNothingIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{MaxAge: time.Nanosecond})
	s.Use(plans(shot(t, "cluster:a@1")))
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	accepts(t, c, hear(t, c)) // it is not cut off before
	if _, err := c.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "connect again") {
		t.Errorf("the stream ends with %v", err)
	}
}

func TestReleasedStreamEndsWhenNothingIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{})
	s.Use(plans(shot(t, "cluster:a@1")))
	c := s.dial(t)
	say(t, c, hello("edge", "n"))
	answer := hear(t, c)
	if released := s.Release(); released != 1 {
		t.Errorf("%d streams are released, want 1", released)
	}
	accepts(t, c, answer) // it is not cut off before
	if _, err := c.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "connect again") {
		t.Errorf("the stream ends with %v", err)
	}
}

func TestAgeHasAJitter(t *testing.T) {
	if timer := newAge(-1); timer.Stop() {
		t.Error("an age below 0 runs")
	}
	timer := newAge(time.Hour)
	if !timer.Stop() {
		t.Error("an age of an hour does not run")
	}
}

func TestCertificateDecidesWhoANodeIs(t *testing.T) {
	t.Parallel()
	s := serve(t, Settings{Identity: func(context.Context) (string, string, bool) { return "edge", "edge-1", true }})
	s.Use(plans(shot(t, "cluster:a@1")))
	for name, test := range map[string]struct {
		fleet, node string
		want        codes.Code
	}{
		"itself":        {"edge", "edge-1", codes.OK},
		"says nothing":  {"", "", codes.OK},
		"another node":  {"edge", "edge-2", codes.PermissionDenied},
		"another fleet": {"vault", "edge-1", codes.PermissionDenied},
	} {
		c := s.dial(t)
		say(t, c, hello(test.fleet, test.node))
		_, err := c.Recv()
		if status.Code(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), `the certificate is for node "edge-1" of fleet "edge"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.Nodes(); len(got) != 1 || got[0].Name != "edge-1" || got[0].Streams != 2 {
		t.Errorf("nodes %+v", got)
	}
}
