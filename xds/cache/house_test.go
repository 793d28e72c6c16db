package cache

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// bankHouse is what one real Envoy is served in these tests: listeners on sockets in dir, virtual hosts by VHDS.
type bankHouse struct {
	t     *testing.T
	dir   string
	items map[string]Item
	count int
}

func (b *bankHouse) put(m proto.Message) {
	kind, _ := kindOfMessage(m)
	b.items[kind.url()+" "+nameOf(m)] = Item{Message: m, Origin: "bank.yaml:" + strconv.Itoa(len(nameOf(m)))}
}

func (b *bankHouse) drop(k kind, name string) { delete(b.items, k.url()+" "+name) }

// snapshot takes what was put so far; each has a revision of its own.
func (b *bankHouse) snapshot() []Plan {
	b.t.Helper()
	b.count++
	var items []Item
	for _, item := range b.items {
		items = append(items, item)
	}
	s, err := NewSnapshot("edge", strconv.Itoa(b.count), items)
	if err != nil {
		b.t.Fatal(err)
	}
	return plans(s)
}

func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		InitialFetchTimeout:   durationpb.New(5 * time.Second),
	}
}

// upstream puts a cluster with one endpoint.
func (b *bankHouse) upstream(name, address string, timeout time.Duration) {
	b.t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		b.t.Fatal(err)
	}
	port, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(&clusterv3.Cluster{
		Name: name, ConnectTimeout: durationpb.New(timeout),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()},
	})
	b.put(&endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{
		LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
			}}},
		}}}},
	}}})
}

// listen puts a listener on a socket, and its route configuration.
func (b *bankHouse) listen(name string) {
	b.t.Helper()
	router, err := anypb.New(&routerv3.Router{})
	if err != nil {
		b.t.Fatal(err)
	}
	manager, err := anypb.New(&hcmv3.HttpConnectionManager{
		StatPrefix:     name,
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: name, ConfigSource: ads()}},
		HttpFilters: []*hcmv3.HttpFilter{{
			Name: envoy.FilterRouter, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: router},
		}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(&listenerv3.Listener{
		Name: name,
		Address: &corev3.Address{Address: &corev3.Address_Pipe{
			Pipe: &corev3.Pipe{Path: filepath.Join(b.dir, name), Mode: 0o600},
		}},
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "envoy.filters.network.http_connection_manager", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	})
	b.put(&routev3.RouteConfiguration{Name: name, Vhds: &routev3.Vhds{ConfigSource: ads()}})
}

// host puts a virtual host that sends everything to a cluster.
func (b *bankHouse) host(name, domain, cluster string) {
	b.put(&routev3.VirtualHost{Name: name, Domains: []string{domain}, Routes: []*routev3.Route{{
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}},
	}}})
}

// text puts a virtual host that answers by itself.
func (b *bankHouse) text(name, domain, body string) {
	b.put(&routev3.VirtualHost{Name: name, Domains: []string{domain}, Routes: []*routev3.Route{{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: 200, Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: body}},
		}},
	}}})
}

// broken puts a virtual host that Envoy refuses.
func (b *bankHouse) broken(name, domain string) {
	b.put(&routev3.VirtualHost{Name: name, Domains: []string{domain}, Routes: []*routev3.Route{{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: "/[a"}}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: 200,
		}},
	}}})
}

// join starts an Envoy that the server serves.
func (b *bankHouse) join(s *serving) {
	b.t.Helper()
	settings := envoy.Settings{Fleet: "edge", Node: "edge-1", Dir: filepath.Join(b.dir, "e")}
	bootstrap, err := envoy.Prepare(settings, envoy.Services{XDS: []string{envoy.SocketScheme + s.socket}})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	child, err := envoy.Launch(ctx, envoy.Start{
		Binary: needs.Envoy(b.t), Bootstrap: bootstrap, Admin: settings.AdminSocket(),
		Log: slog.New(slog.NewTextHandler(b.t.Output(), nil)),
	})
	if err != nil {
		cancel()
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		cancel()
		<-child.Ended()
	})
	ready, cancelReady := context.WithTimeout(ctx, 2*patience)
	defer cancelReady()
	if err := child.WaitReady(ready); err != nil {
		b.t.Fatal(err)
	}
}

// browser returns a client that reaches Envoy through a listener's socket.
func (b *bankHouse) browser(listener string) *http.Client {
	var dialer net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", filepath.Join(b.dir, listener))
	}}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// get returns status and body of a request to a host.
func get(client *http.Client, host string) string {
	response, err := client.Get("http://" + host + "/")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(response.StatusCode, " ", string(body))
}

// backend starts an HTTP server that answers with its name, and returns its address.
func backend(t *testing.T, name string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// uses hands out a snapshot and waits until the node has acknowledged all of it.
func (b *bankHouse) uses(s *serving) {
	b.t.Helper()
	s.Use(b.snapshot())
	b.awaits(s)
}

func (b *bankHouse) awaits(s *serving) {
	b.t.Helper()
	for {
		if got := s.events.await(b.t, "node acknowledged a revision"); got["revision"] == strconv.Itoa(b.count) {
			return
		}
	}
}

// spent returns what was sent since a former count, as "TYPE RESOURCES" words, and how many bytes.
func spent(s *serving, before []TypeCounters) (string, uint64) {
	var words []string
	var bytes uint64
	for i, c := range s.Counters() {
		if n := c.Responses - before[i].Responses; n > 0 {
			words = append(words, fmt.Sprint(shorts()[i], " ", c.Resources-before[i].Resources))
			bytes += c.Bytes - before[i].Bytes
		}
	}
	return strings.Join(words, ", "), bytes
}

func newBankHouse(t *testing.T, s *serving) *bankHouse {
	b := &bankHouse{t: t, dir: filepath.Dir(s.socket), items: map[string]Item{}}
	b.upstream("payments", backend(t, "one"), time.Second)
	b.listen("http")
	b.host("http/a", "a.test", "payments")
	for i := range 20 {
		b.text(fmt.Sprint("http/", i), fmt.Sprint(i, ".test"), "old")
	}
	return b
}
