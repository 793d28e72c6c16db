package cache

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// Envoy applies nothing of a response with one bad virtual host, and does not say which it is.
func TestEnvoyGetsAllButTheRefusedHost(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	s := serve(t, Settings{})
	b := newBankHouse(t, s)
	s.Use(b.snapshot())
	b.join(s)
	b.awaits(s)
	for i := range 20 {
		b.text(fmt.Sprint("http/", i), fmt.Sprint(i, ".test"), "new")
	}
	b.broken("http/13", "13.test")
	before := s.Counters()[virtualHosts]
	s.Use(b.snapshot())
	if got := s.events.await(t, "the refused resource is found"); fmt.Sprint(got["resources"]) != "[http/13]" {
		t.Errorf("attributes %v", got)
	}
	browser := b.browser("http")
	deadline := time.Now().Add(patience)
	for i := range 20 {
		want := "200 new"
		if i == 13 {
			want = "200 old"
		}
		for got := ""; got != want; {
			if got = get(browser, fmt.Sprint(i, ".test")); got != want && time.Now().After(deadline) {
				t.Fatalf("%d.test answers %q, want %q", i, got, want)
			}
		}
	}
	after := s.Counters()[virtualHosts]
	t.Logf("%d responses, %d of them refused", after.Responses-before.Responses, after.Refusals-before.Refusals)
	if n := after.Responses - before.Responses; n > 10 {
		t.Errorf("%d responses were needed", n)
	}
	verdicts := s.Refused()
	if len(verdicts) != 1 || verdicts[0].Name != "http/13" || verdicts[0].Blame != BlameResource {
		t.Errorf("verdicts %+v", verdicts)
	}
}

// silent accepts connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A cluster whose first health check hangs holds up Envoy's acknowledgement of all clusters, and nothing else.
func TestEnvoyServesChangesBesideAHungCluster(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	s := serve(t, Settings{Grace: 10 * time.Millisecond})
	b := newBankHouse(t, s)
	s.Use(b.snapshot())
	b.join(s)
	b.awaits(s)
	browser := b.browser("http")
	serves := func(what, host, want string) {
		t.Helper()
		began := time.Now()
		for {
			got := get(browser, host)
			if got == want {
				break
			}
			if time.Since(began) > 3*time.Second {
				t.Fatalf("%s: %s answers %q after 3 s, want %q", what, host, got, want)
			}
		}
		t.Logf("%s: %v", what, time.Since(began).Round(time.Millisecond))
	}

	b.upstream("hung", silent(t), time.Second)
	hung, ok := b.items[TypeCluster+" hung"].Message.(*clusterv3.Cluster)
	if !ok {
		t.Fatal("no cluster")
	}
	hung.HealthChecks = []*corev3.HealthCheck{{
		Timeout: durationpb.New(time.Minute), Interval: durationpb.New(time.Minute),
		HealthyThreshold: wrapperspb.UInt32(1), UnhealthyThreshold: wrapperspb.UInt32(1),
		HealthChecker: &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: &corev3.HealthCheck_HttpHealthCheck{Path: "/"}},
	}}
	b.host("http/hung", "hung.test", "hung")
	b.text("http/3", "3.test", "beside")
	s.Use(b.snapshot())
	serves("a change that comes with the hung cluster", "3.test", "200 beside")

	b.text("http/4", "4.test", "after")
	s.Use(b.snapshot())
	serves("a change that comes later", "4.test", "200 after")

	b.upstream("quick", backend(t, "quick"), time.Second)
	b.host("http/a", "a.test", "quick")
	s.Use(b.snapshot())
	serves("a host that moves to another new cluster", "a.test", "200 quick")
}

// Gatehouse ends between its answer about a route configuration and the virtual hosts that follow it.
func TestEnvoyGetsTheHostsThatTheLastServerOwed(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	s := serve(t, Settings{})
	b := newBankHouse(t, s)
	s.Use(b.snapshot())
	b.join(s)
	b.awaits(s)
	b.listen("late")
	s.Use(b.snapshot())
	s.events.await(t, "node acknowledged a revision") // the route configuration too, and no host of it was sent
	s.stop()

	again := &serving{events: newEvents(), socket: s.socket}
	again.Server = New(Settings{Log: slog.New(again.events)})
	b.text("late/a", "a.test", "at last")
	again.Use(b.snapshot())
	again.listen(t)
	b.awaits(again)
	if got := get(b.browser("late"), "a.test"); got != "200 at last" {
		t.Errorf("a.test answers %q", got)
	}
	if sent := again.Counters()[virtualHosts].Resources; sent != 1 {
		t.Errorf("%s virtual hosts are sent", strconv.FormatUint(sent, 10))
	}
}
