package cache

import (
	"testing"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// hung returns a client that has everything, and then a cluster named hung of which it says nothing, beyond the barrier. Hosts are
// named by their routes: rc/x has a route to each cluster that its content names.
func hung(t *testing.T) *client {
	t.Helper()
	c := synced(t, "cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1-a")
	c.use("cluster:a@1 eds:a@1 cluster:hung@1 listener:l@1 rds:rc@1 vhost:rc/a@1-a", "cluster +hung")
	return c
}

const around = "cluster:a@1 eds:a@1 cluster:hung@1 listener:l@1 rds:rc@1 "

func TestRouteThatBreaksNothingIsNotHeldUp(t *testing.T) {
	c := hung(t)
	c.use(around + "vhost:rc/a@2-a-hung vhost:rc/new@1-hung")
	c.waits(made)
	// Neither the route that serves in rc/a nor any other of the new host loses anything.
	c.expire(made, "vhost +rc/a +rc/new")
}

func TestRouteThatServesWaitsForAWarmCluster(t *testing.T) {
	c := synced(t, "cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1-a")
	c.use("cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1-a vhost:rc/b@1-a", "vhost +rc/b")
	c.acks("vhost")
	moved := host("rc/a", map[string]string{"to-a": "hung"})
	next := with(t, around+"vhost:rc/b@2-a", moved)
	c.expect(c.stream.Use(next), "cluster +hung")
	c.expire(made, "vhost +rc/b") // rc/a still serves, from a
	c.waits(warmed)
	c.acks("vhost")
	c.acks("cluster", "vhost +rc/a")
	c.waits()
}

func TestWaitForAColdClusterIsBounded(t *testing.T) {
	c := synced(t, "cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1-a")
	c.expect(c.stream.Use(with(t, around, host("rc/a", map[string]string{"to-a": "hung"}))), "cluster +hung")
	c.expire(made)
	c.expire(warmed, "vhost +rc/a")
	c.acks("vhost")
	// It was waited for once; it holds up nothing any more.
	c.expect(c.stream.Use(with(t, around, host("rc/a", map[string]string{"to-a": "hung", "more": "hung"}))), "vhost +rc/a")
}

// A cluster that hangs holds up Envoy's answers about all that follow. Endpoints that were accepted tell the same.
func TestClusterBehindAHungOneIsKnownToBeWarm(t *testing.T) {
	c := hung(t)
	c.use(around + "vhost:rc/a@1-a vhost:rc/other@1")
	c.expire(made, "vhost +rc/other")
	c.acks("vhost")
	c.use(around+"cluster:b@1 eds:b@1 vhost:rc/a@1-b vhost:rc/other@1", "cluster +b")
	c.waits(made, warmed)
	c.asks("eds", "+b", "eds +b")
	c.acks("eds", "vhost +rc/a") // warm, without a word about the cluster
	c.waits()
}

func TestClusterWithHealthChecksIsNotKnownToBeWarm(t *testing.T) {
	for name, change := range map[string]func(*clusterv3.Cluster){
		"health check":     func(c *clusterv3.Cluster) { c.HealthChecks = []*corev3.HealthCheck{{}} },
		"transport socket": func(c *clusterv3.Cluster) { c.TransportSocket = &corev3.TransportSocket{Name: "tls"} },
		"not by EDS": func(c *clusterv3.Cluster) {
			c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		},
		"plain": func(*clusterv3.Cluster) {},
	} {
		cluster, ok := message(clusters, "c", "").(*clusterv3.Cluster)
		if !ok {
			t.Fatal("no cluster")
		}
		change(cluster)
		r, err := newResource(clusters, Item{Message: cluster})
		if err != nil {
			t.Fatal(err)
		}
		if r.eased != (name == "plain") {
			t.Errorf("%s: eased is %t", name, r.eased)
		}
	}
}

// A cluster that was refused never becomes warm. The route that serves stays as it is.
func TestRouteIsNotMovedToARefusedCluster(t *testing.T) {
	c := synced(t, "cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1-a")
	c.expect(c.stream.Use(with(t, around, host("rc/a", map[string]string{"to-a": "hung"}), host("rc/new", map[string]string{"to-hung": "hung"}))),
		"cluster +hung")
	c.nacks("cluster", "vhost +rc/new")
	c.acks("vhost")
	c.waits()
	if got := c.stream.state(); got != StateRefused {
		t.Errorf("state %s", got)
	}
	c.expect(c.stream.Use(with(t, "cluster:a@1 eds:a@1 cluster:hung@2 listener:l@1 rds:rc@1",
		host("rc/a", map[string]string{"to-a": "hung"}), host("rc/new", map[string]string{"to-hung": "hung"}))), "cluster +hung")
	c.acks("cluster", "vhost +rc/a")
}

// A renamed route may serve the requests of the old one.
func TestRenamedRouteMayBreak(t *testing.T) {
	c := synced(t, "cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1-a")
	c.expect(c.stream.Use(with(t, around, host("rc/a", map[string]string{"to-a-renamed": "hung"}))), "cluster +hung")
	c.expire(made)
	c.waits(warmed)
}

// Responses with clusters do not wait for each other behind a hung one, but there is an end to it.
func TestClustersBehindAHungOneAreBounded(t *testing.T) {
	c := hung(t)
	c.use(around + "vhost:rc/a@1-a-hung") // something that waits
	c.expire(made, "vhost +rc/a")
	words := around
	sent := 0
	for _, name := range []string{"b", "c", "d", "e", "f", "g", "h", "i", "j", "k"} {
		words += "cluster:" + name + "@1 "
		sent += len(c.stream.Use(shot(t, words+"vhost:rc/a@1-a-hung")))
	}
	if sent != maxOverdue {
		t.Errorf("%d responses are outstanding behind the first, want %d", sent, maxOverdue)
	}
	if got := c.stream.types[clusters].flight.nonce; got == "" || len(c.stream.types[clusters].overdue) != maxOverdue {
		t.Errorf("%d are overdue", len(c.stream.types[clusters].overdue))
	}
}

func TestDestinationsAreFoundWhereverRoutesStand(t *testing.T) {
	wrap := func(m proto.Message) *xdsmatcherv3.Matcher_OnMatch {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: typedExtension(a)}}
	}
	weighted := &routev3.Route{Name: "w", Action: &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_WeightedClusters{WeightedClusters: &routev3.WeightedCluster{
			Clusters: []*routev3.WeightedCluster_ClusterWeight{{Name: "w1"}, {Name: "w2"}},
		}},
	}}}
	tree := &routev3.VirtualHost{Name: "rc/a", Matcher: &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
			TreeType: &xdsmatcherv3.Matcher_MatcherTree_PrefixMatchMap{PrefixMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{
				Map: map[string]*xdsmatcherv3.Matcher_OnMatch{"/x": wrap(&routev3.RouteList{Routes: []*routev3.Route{weighted, to("plain", "p")}})},
			}},
		}},
		OnNoMatch: wrap(&routev3.Route{Name: "direct", Action: &routev3.Route_DirectResponse{}}),
	}}
	want := destinations{"w": {"w1", "w2"}, "plain": {"p"}, "direct": nil}
	if diff := cmp.Diff(want, destinationsOf(tree)); diff != "" {
		t.Error(diff)
	}
	config := &routev3.RouteConfiguration{Name: "rc", VirtualHosts: []*routev3.VirtualHost{{Routes: []*routev3.Route{to("r", "c")}}}}
	if diff := cmp.Diff(destinations{"r": {"c"}}, destinationsOf(config)); diff != "" {
		t.Error(diff)
	}
}

func typedExtension(a *anypb.Any) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: "route", TypedConfig: a}
}

// to is a route to a cluster.
func to(name, cluster string) *routev3.Route {
	return &routev3.Route{Name: name, Action: &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster},
	}}}
}

// host is a virtual host with routes to clusters, by the routes' names.
func host(name string, routes map[string]string) *routev3.VirtualHost {
	h := &routev3.VirtualHost{Name: name, Domains: []string{name}}
	for route, cluster := range routes {
		h.Routes = append(h.Routes, to(route, cluster))
	}
	return h
}

// with is shot with more resources.
func with(t *testing.T, words string, more ...*routev3.VirtualHost) *Snapshot {
	t.Helper()
	items := itemsOf(t, words)
	for _, h := range more {
		items = append(items, Item{Message: h})
	}
	s, err := NewSnapshot("edge", words, items)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMissingEndpointsAreAnEmptyList(t *testing.T) {
	c := newClient(t, "cluster:a@1")
	c.asks("cluster", "", "cluster +a")
	c.asks("eds", "+a", "eds +a")
	c.acks("eds")
	c.acks("cluster")
	c.use("cluster:a@2", "cluster +a", "eds +a") // again after a change, or Envoy waits for it
	c.sends(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeCluster, ResponseNonce: c.nonces["cluster"]})
}

// An answer to a later response means that the earlier one will not be answered any more.
func TestUnansweredClustersAreSentAgain(t *testing.T) {
	c := hung(t)
	c.use(around + "vhost:rc/a@1-a vhost:rc/new@1-hung")
	c.expire(made, "vhost +rc/new")
	c.use(around+"cluster:b@1 vhost:rc/a@1-a vhost:rc/new@1-hung", "cluster +b")
	c.acks("cluster", "cluster +hung")
}
