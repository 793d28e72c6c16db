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
func (b *bankHouse) snapshot() []*Snapshot {
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
	return []*Snapshot{s}
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

func TestEnvoyIsServed(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	s := serve(t, Settings{})
	b := newBankHouse(t, s)
	s.Use(b.snapshot())
	b.join(s)
	b.awaits(s)
	browser := b.browser("http")
	expect := func(client *http.Client, host, want string) {
		t.Helper()
		if got := get(client, host); got != want {
			t.Errorf("%s answers %q, want %q", host, got, want)
		}
	}
	expect(browser, "a.test", "200 one")
	expect(browser, "7.test", "200 old")

	t.Log("a change of one virtual host sends it alone")
	before := s.Counters()
	b.text("http/7", "7.test", "new")
	b.uses(s)
	sent, bytes := spent(s, before)
	size := len(s.snapshot("edge").get(virtualHosts, "http/7").Body().GetValue())
	t.Logf("%d bytes for a virtual host of %d", bytes, size)
	if sent != "vhost 1" || bytes > uint64(size+300) {
		t.Errorf("%q is sent, %d bytes", sent, bytes)
	}
	expect(browser, "7.test", "200 new")
	expect(browser, "8.test", "200 old")

	t.Log("a changed cluster is warm again as soon as its endpoints follow it")
	before = s.Counters()
	b.upstream("payments", backend(t, "two"), 2*time.Second)
	began := time.Now()
	b.uses(s)
	if sent, _ := spent(s, before); sent != "cluster 1, eds 1" && sent != "cluster 1, eds 2" {
		t.Errorf("%q is sent", sent)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v: Envoy waited for endpoints", took)
	}
	expect(browser, "a.test", "200 two")

	t.Log("a route configuration that comes later gets its virtual hosts")
	b.listen("late")
	b.text("late/a", "a.test", "late")
	b.uses(s)
	expect(b.browser("late"), "a.test", "200 late")

	t.Log("a refusal is shown, and nothing else is disturbed")
	b.broken("http/bad", "bad.test")
	s.Use(b.snapshot())
	refused := s.events.await(t, "node refused a response")
	t.Log(refused)
	node := s.Nodes()[0]
	if r := node.LastRefusal; node.State != StateRefused || r == nil || r.Type != TypeVirtualHost ||
		r.Suspects[0].Name != "http/bad" || r.Suspects[0].Origin != "bank.yaml:8" || !strings.Contains(r.Text, "missing ]") {
		t.Errorf("node %+v, refusal %+v", node, node.LastRefusal)
	}
	expect(browser, "7.test", "200 new")
	b.text("http/bad", "bad.test", "mended")
	b.uses(s)
	expect(browser, "bad.test", "200 mended")

	t.Log("after a restart of the server nothing is sent again")
	s.stop()
	again := &serving{events: newEvents(), socket: s.socket}
	again.Server = New(Settings{Log: slog.New(again.events)})
	again.Use([]*Snapshot{s.snapshot("edge")})
	again.listen(t)
	b.awaits(again)
	if got := again.BytesSent(); got != 0 {
		t.Errorf("%d bytes are sent", got)
	}
	node = again.Nodes()[0]
	if node.State != StateSynced || node.Envoy != envoy.Version() || node.Bootstrap != envoy.BootstrapVersion {
		t.Errorf("node %+v", node)
	}
	b.text("http/7", "7.test", "newer")
	b.uses(again)
	expect(browser, "7.test", "200 newer")
}

// While requests go on, one upstream is replaced by another again and again: new cluster, routes, old cluster away.
func TestEnvoyLosesNoRequest(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	s := serve(t, Settings{})
	b := newBankHouse(t, s)
	s.Use(b.snapshot())
	b.join(s)
	b.awaits(s)

	addresses := []string{backend(t, "x"), backend(t, "y")}
	done := make(chan struct{})
	failed := make(chan string, 1)
	requests := 0
	go func() {
		defer close(failed)
		browser := b.browser("http")
		for ; ; requests++ {
			select {
			case <-done:
				return
			default:
			}
			if got := get(browser, "a.test"); !strings.HasPrefix(got, "200") {
				failed <- fmt.Sprint("request ", requests, ": ", got)
				return
			}
		}
	}()
	former := "payments"
	for i := range 30 {
		name := fmt.Sprint("payments-", i)
		b.upstream(name, addresses[i%2], time.Second)
		b.host("http/a", "a.test", name)
		b.drop(clusters, former)
		b.drop(endpoints, former)
		former = name
		b.uses(s)
	}
	close(done)
	if failure := <-failed; failure != "" {
		t.Error(failure)
	}
	t.Logf("%d requests", requests)
	if node := s.Nodes()[0]; node.Types[0].Wanted != 1 || node.Types[0].Acknowledged != 1 {
		t.Errorf("clusters %+v", node.Types[0])
	}
}
