package server_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// xdsNode is a node without an Envoy: it speaks delta ADS, accepts everything, and knows what it has.
type xdsNode struct {
	mu   sync.Mutex
	has  map[string]string // Version of each resource, by type and name.
	told map[string]bool   // What was asked for by name.
	stop func()

	offers int // How often it was offered what it refuses.
}

// refusedName is in the name of what every node refuses.
const refusedName = "unwanted"

// refuses reports whether a response has something that nodes refuse.
func (n *xdsNode) refuses(r *discoveryv3.DeltaDiscoveryResponse) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range r.GetResources() {
		if r.GetTypeUrl() == cache.TypeCluster && strings.Contains(one.GetName(), refusedName) {
			n.offers++
			return true
		}
	}
	return false
}

// offered returns how often the node was offered what it refuses.
func (n *xdsNode) offered() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.offers
}

// connect connects a node of the fleet edge to a server, until the test ends or stop is called.
func connect(t *testing.T, s *server.Server, name string) *xdsNode {
	t.Helper()
	conn, err := grpc.NewClient(s.Addrs().XDS, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n := &xdsNode{has: map[string]string{}, told: map[string]bool{}}
	say := func(r *discoveryv3.DeltaDiscoveryRequest) { _ = stream.Send(r) } // Where it fails, so does the next Recv.
	for _, kind := range []string{cache.TypeCluster, cache.TypeListener} {
		say(&discoveryv3.DeltaDiscoveryRequest{Node: nodeNamed(name), TypeUrl: kind})
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			answer := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()}
			if n.refuses(r) {
				answer.ErrorDetail = &rpcstatus.Status{Code: 13, Message: "no " + refusedName}
				say(answer)
				continue
			}
			say(answer)
			for kind, names := range n.take(r) {
				say(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: kind, ResourceNamesSubscribe: names})
			}
		}
	})
	n.stop = sync.OnceFunc(func() {
		cancel()
		_ = conn.Close()
		reading.Wait()
	})
	t.Cleanup(n.stop)
	return n
}

func nodeNamed(name string) *corev3.Node {
	return &corev3.Node{
		Id: name, Cluster: "edge",
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			envoy.KeyBootstrap: structpb.NewStringValue(envoy.BootstrapVersion),
		}},
		UserAgentVersionType: &corev3.Node_UserAgentBuildVersion{UserAgentBuildVersion: &corev3.BuildVersion{
			Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 40},
		}},
	}
}

// routesOf finds the names of the route configurations in a listener.
const routesOf = `"route_?[cC]onfig_?[nN]ame":\s*"([^"]+)"`

// take takes a response in, and returns what is to be asked for by name after it, by type, as an Envoy does: the endpoints of
// clusters, the routes of listeners, and after these the virtual hosts.
func (n *xdsNode) take(r *discoveryv3.DeltaDiscoveryResponse) map[string][]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asks := map[string][]string{}
	ask := func(kind, name string) {
		if key := kind + " " + name; !n.told[key] {
			n.told[key] = true
			asks[kind] = append(asks[kind], name)
		}
	}
	for _, one := range r.GetResources() {
		n.has[r.GetTypeUrl()+" "+one.GetName()] = one.GetVersion()
		switch r.GetTypeUrl() {
		case cache.TypeCluster:
			ask(cache.TypeEndpoints, one.GetName())
		case cache.TypeListener:
			text, err := protojson.Marshal(one.GetResource())
			if err != nil {
				panic(err) // What the server sends is known to it.
			}
			for _, found := range regexp.MustCompile(routesOf).FindAllSubmatch(text, -1) {
				ask(cache.TypeRouteConfiguration, string(found[1]))
			}
		case cache.TypeRouteConfiguration:
			if !n.told[cache.TypeVirtualHost] {
				n.told[cache.TypeVirtualHost] = true
				asks[cache.TypeVirtualHost] = nil
			}
		}
	}
	for _, name := range r.GetRemovedResources() {
		delete(n.has, r.GetTypeUrl()+" "+name)
	}
	return asks
}

// holds returns what the node has.
func (n *xdsNode) holds() map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.has)
}

func names(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
