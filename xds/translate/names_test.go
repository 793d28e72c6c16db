package translate

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestOrderDoesNotMatter translates the same objects in another order: every Envoy must get the same bytes.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	const tables = 8
	for i := range tables {
		drawn := rapid.Custom(func(t *rapid.T) [2][]*gateway.Route {
			routes := randomRoutes(t, "api.bank.test")
			return [2][]*gateway.Route{routes, rapid.Permutation(routes).Draw(t, "order")}
		}).Example(i)
		routes := drawn[0]
		g := &gateway.Gateway{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}}}}
		other := &gateway.Gateway{Name: "inner", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "127.0.0.1", Port: 8081, Hosts: []string{"*.test"}}}}
		nordhaven, suderbank := &gateway.Issuer{Name: "nordhaven", Issuer: "a"}, &gateway.Issuer{Name: "suderbank", Issuer: "b"}
		for i, r := range routes {
			r.Gateway, r.Public = []*gateway.Gateway{g, other}[i%2], false
			r.Targets = []gateway.Target{{Upstream: &gateway.Upstream{Name: []string{"blue", "green"}[i%2]}, Weight: 1}}
			r.Ways = [][]gateway.Way{
				{{{Kind: gateway.ByJWT, Issuer: nordhaven}}}, {{{Kind: gateway.ByJWT, Issuer: suderbank}}, {{Kind: gateway.ByJWT, Issuer: nordhaven}}},
			}[i%2]
		}
		rev := &gateway.Revision{Gateways: []*gateway.Gateway{g, other}, Routes: routes}
		shuffled := &gateway.Revision{Gateways: rev.Gateways, Routes: drawn[1]}
		want, _ := Fleet(rev, nil, "edge", nil)
		got, _ := Fleet(shuffled, nil, "edge", nil)
		for _, list := range [][2][]proto.Message{
			{messages(want.Clusters), messages(got.Clusters)},
			{messages(want.Endpoints), messages(got.Endpoints)},
			{messages(want.Listeners), messages(got.Listeners)},
			{messages(want.Routes), messages(got.Routes)},
			{messages(want.VirtualHosts), messages(got.VirtualHosts)},
			{{want.JWT}, {got.JWT}},
		} {
			if diff := cmp.Diff(bytesOf(t, list[0]), bytesOf(t, list[1])); diff != "" {
				t.Fatalf("another order of the routes, other bytes: %s", diff)
			}
		}
	}
}

func messages[M proto.Message](list []M) []proto.Message {
	out := make([]proto.Message, len(list))
	for i, m := range list {
		out[i] = m
	}
	return out
}

func bytesOf(t *testing.T, list []proto.Message) [][]byte {
	t.Helper()
	var out [][]byte
	for _, m := range list {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// randomUpstream draws an upstream whose settings are often those of another.
func randomUpstream(t *rapid.T) *gateway.Upstream {
	u := &gateway.Upstream{
		Name:           "payments",
		Endpoints:      []gateway.Endpoint{{Address: rapid.SampledFrom([]string{"127.0.0.1:1", "127.0.0.1:2"}).Draw(t, "endpoint"), Weight: 1}},
		Balance:        rapid.SampledFrom([]gateway.Balance{gateway.RoundRobin, gateway.LeastRequest, gateway.Random}).Draw(t, "balance"),
		Protocol:       rapid.SampledFrom([]gateway.Protocol{gateway.HTTP1, gateway.HTTP2}).Draw(t, "protocol"),
		Timeout:        rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Second}).Draw(t, "timeout"),
		ConnectTimeout: rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Second}).Draw(t, "connect timeout"),
	}
	if rapid.Bool().Draw(t, "retries") {
		u.Retries = &gateway.Retries{
			Attempts: rapid.IntRange(1, 2).Draw(t, "attempts"), Budget: rapid.SampledFrom([]float64{0, 10, 20}).Draw(t, "budget"),
			On: rapid.SampledFrom([][]string{{"connect-failure"}, {"refused-stream"}}).Draw(t, "on"),
		}
	}
	if rapid.Bool().Draw(t, "health") {
		u.Health = &gateway.Health{
			Check: gateway.HealthHTTP, Path: rapid.SampledFrom([]string{"/", "/healthz"}).Draw(t, "health path"), Interval: time.Second, Timeout: time.Second,
			Healthy: rapid.IntRange(1, 2).Draw(t, "healthy"), Unhealthy: 3,
		}
	}
	if rapid.Bool().Draw(t, "tls") {
		u.TLS = &gateway.UpstreamTLS{
			Authority: rapid.SampledFrom([][]byte{nil, []byte("a"), []byte("b")}).Draw(t, "authority"),
			Names:     rapid.SampledFrom([][]string{{"a.test"}, {"*.test", "b.test"}}).Draw(t, "names"),
			SNI:       rapid.SampledFrom([]string{"", "a.test"}).Draw(t, "sni"),
			Identity:  rapid.SampledFrom([]string{"", "client"}).Draw(t, "identity"),
			Minimum:   rapid.SampledFrom([]gateway.TLSVersion{gateway.TLS12, gateway.TLS13}).Draw(t, "minimum"),
		}
	}
	return u
}

// randomManners draws the settings of an upstream that are about its endpoints' health, bounds and connections.
func randomManners(t *rapid.T, u *gateway.Upstream) {
	u.Connections.Idle = rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "idle")
	u.Bulkhead = gateway.Bulkhead{
		Connections: rapid.IntRange(1, 2).Draw(t, "connections"), PerEndpoint: rapid.IntRange(0, 2).Draw(t, "per endpoint"), Pending: 1, Requests: 1,
	}
	u.Balancing.OwnZone = rapid.Bool().Draw(t, "own zone")
	u.Balancing.By = rapid.SampledFrom([]*gateway.HashKey{nil, {Source: gateway.HashAddress}}).Draw(t, "by")
	u.Ejection = rapid.SampledFrom([]*gateway.Ejection{nil, {Errors: 1}, {Errors: 1, SuccessRate: true}}).Draw(t, "ejection")
	panics := rapid.SampledFrom([]float64{0, 20}).Draw(t, "panic")
	if rapid.Bool().Draw(t, "panics") {
		u.Balancing.Panic = &panics
	}
}

// TestClusterNames holds that two upstreams have one cluster name exactly where their clusters are equal: a cluster that
// changes under its name loses requests, and one that is renamed for nothing loses its connections.
func TestClusterNames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := randomUpstream(t)
		b := *a
		redrawn := randomUpstream(t)
		switch rapid.IntRange(0, 9).Draw(t, "part") {
		case 0:
			b.Endpoints = redrawn.Endpoints
		case 1:
			b.Balance = redrawn.Balance
		case 2:
			b.Protocol = redrawn.Protocol
		case 3:
			b.Timeout = redrawn.Timeout
		case 4:
			b.ConnectTimeout = redrawn.ConnectTimeout
		case 5:
			b.Retries = redrawn.Retries
		case 6:
			b.Health = redrawn.Health
		case 7:
			b.TLS = redrawn.TLS
		case 8:
			randomManners(t, a)
			b = *a
			randomManners(t, &b)
		default:
			b = *redrawn
		}
		ca, cb := cluster(a), cluster(&b)
		sameName := ca.Name == cb.Name
		ca.Name, cb.Name = "", ""
		ca.AltStatName, cb.AltStatName = "", ""
		diff := cmp.Diff(ca, cb, protocmp.Transform(), protocmp.IgnoreDefaultScalars())
		if sameName != (diff == "") {
			t.Fatalf("one name: %v, but the clusters differ by: %s", sameName, diff)
		}
	})
	renamed := gateway.Upstream{Name: "payments"}
	other := gateway.Upstream{Name: "accounts"}
	if ClusterName(&renamed) == ClusterName(&other) {
		t.Error("two upstreams share a cluster")
	}
}

// TestFiltersAreInOrder holds what explanations list: the filters that a route configures, in the listener's order.
func TestFiltersAreInOrder(t *testing.T) {
	t.Parallel()
	g := &gateway.Gateway{Name: "edge"}
	r := &gateway.Route{
		Action: gateway.ActionForward, Gateway: g, Ways: []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Name: "nordhaven"}}}},
		Limits: []gateway.Limit{{Name: "each", Windows: []gateway.Window{{Limit: 1, Per: time.Second}}}},
	}
	owners := []gateway.AppliedPolicy{{Policy: &gateway.Policy{Name: "owners"}}}
	for _, test := range []struct {
		away      gateway.WhenAway
		authorize []gateway.AppliedPolicy
		want      []string
	}{
		{gateway.WhenAway{}, nil, []string{"gatehouse.jwt", "gatehouse.guard", "gatehouse.ratelimit.open"}},
		{gateway.WhenAway{Limits: gateway.Closed}, nil, []string{"gatehouse.jwt", "gatehouse.guard", "gatehouse.ratelimit.closed"}},
		{gateway.WhenAway{}, owners, []string{"gatehouse.jwt", "gatehouse.authz.closed", "gatehouse.guard"}},
		{gateway.WhenAway{Authorization: gateway.Open}, owners, []string{"gatehouse.jwt", "gatehouse.authz.open", "gatehouse.guard"}},
		{
			gateway.WhenAway{Authorization: gateway.Open, Limits: gateway.Closed},
			owners,
			[]string{"gatehouse.jwt", "gatehouse.authz.closed", "gatehouse.guard"},
		},
	} {
		r.WhenAway, r.Authorize = test.away, test.authorize
		if got := Filters(r); !slices.Equal(got, test.want) {
			t.Errorf("when away %+v: filters %v, want %v", test.away, got, test.want)
		}
	}
	r.Action = gateway.ActionRefuse
	if got := Filters(r); !slices.Equal(got, []string{"gatehouse.guard"}) {
		t.Errorf("of a route that refuses: %v", got)
	}
}
