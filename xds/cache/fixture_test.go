package cache

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// message makes a resource of a kind; another content gives another version.
func message(k kind, name, content string) proto.Message {
	switch k {
	case clusters:
		return &clusterv3.Cluster{
			Name: name, AltStatName: content,
			ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		}
	case endpoints:
		if content == "unknown" {
			return &endpointv3.ClusterLoadAssignment{ClusterName: name}
		}
		return &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints:   []*endpointv3.LocalityLbEndpoints{{Locality: &corev3.Locality{Zone: content}}},
		}
	case secrets:
		return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{
			Secret: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: content}},
		}}}
	case extensions:
		return &corev3.TypedExtensionConfig{Name: name, TypedConfig: newAny(content)}
	case listeners:
		return &listenerv3.Listener{Name: name, StatPrefix: content}
	case routeConfigs:
		return &routev3.RouteConfiguration{Name: name, RequestHeadersToRemove: []string{content}}
	case virtualHosts:
		host := &routev3.VirtualHost{Name: name, Domains: []string{content}}
		for _, cluster := range strings.Split(content, "-")[1:] { // "1-a-b" has a route to each of a and b
			host.Routes = append(host.Routes, &routev3.Route{
				Name:   "to-" + cluster,
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}},
			})
		}
		return host
	}
	return nil
}

// shot makes a snapshot from words such as "cluster:a@1". Content and revision do not matter to most tests.
func shot(t testing.TB, words string) *Snapshot {
	t.Helper()
	s, err := NewSnapshot("edge", words, itemsOf(t, words))
	if err != nil {
		t.Fatalf("snapshot %q: %v", words, err)
	}
	return s
}

func itemsOf(t testing.TB, words string) []Item {
	t.Helper()
	var items []Item
	for word := range strings.FieldsSeq(words) {
		short, rest, _ := strings.Cut(word, ":")
		name, content, _ := strings.Cut(rest, "@")
		items = append(items, Item{Message: message(kindNamed(t, short), name, content), Origin: "bank.yaml:" + name})
	}
	return items
}

// plans gives each fleet one snapshot for all of its nodes.
func plans(snapshots ...*Snapshot) []Plan {
	var all []Plan
	for _, s := range snapshots {
		all = append(all, Plan{Fleet: s.Fleet(), Default: s})
	}
	return all
}

// shorts are the words by which tests name kinds.
func shorts() [kinds]string {
	return [kinds]string{"cluster", "eds", "secret", "ecds", "listener", "rds", "vhost"}
}

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func kindNamed(t failer, short string) kind {
	t.Helper()
	for k, s := range shorts() {
		if s == short {
			return kind(k)
		}
	}
	t.Fatalf("no kind is called %q", short)
	return 0
}

// client drives a stream as a test says, one line per step.
type client struct {
	t      testing.TB
	stream *stream
	nonces map[string]string // by kind: of the last response
}

func newClient(t testing.TB, words string) *client {
	c := &client{t: t, stream: newStream(1000), nonces: map[string]string{}}
	if words != "" {
		c.expect(c.stream.Use(shot(t, words)))
	}
	return c
}

// use gives the stream a snapshot and compares what it says.
func (c *client) use(words string, want ...string) {
	c.t.Helper()
	c.expect(c.stream.Use(shot(c.t, words)), want...)
}

// expire ends a wait that is on.
func (c *client) expire(w wait, want ...string) {
	c.t.Helper()
	id := c.stream.Waiting()[w]
	if id == 0 {
		c.t.Fatalf("the stream waits for nothing of this kind: %v", c.stream.Waiting())
	}
	c.expect(c.stream.Expire(id), want...)
}

// waits fails unless the stream waits for exactly this.
func (c *client) waits(want ...wait) {
	c.t.Helper()
	var got []wait
	for w, id := range c.stream.Waiting() {
		if id != 0 {
			got = append(got, wait(w))
		}
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("the stream waits for %v, want %v", got, want)
	}
}

// asks sends a request: "+name" subscribes, "-name" unsubscribes, "=name@content" is a version that is still held.
func (c *client) asks(short, words string, want ...string) {
	c.t.Helper()
	k := kindNamed(c.t, short)
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url(), InitialResourceVersions: map[string]string{}}
	for word := range strings.FieldsSeq(words) {
		switch name := word[1:]; word[0] {
		case '+':
			req.ResourceNamesSubscribe = append(req.ResourceNamesSubscribe, name)
		case '-':
			req.ResourceNamesUnsubscribe = append(req.ResourceNamesUnsubscribe, name)
		case '=':
			name, content, _ := strings.Cut(name, "@")
			r, err := newResource(k, Item{Message: message(k, name, content)})
			if err != nil {
				c.t.Fatal(err)
			}
			req.InitialResourceVersions[name] = r.Version
		}
	}
	c.sends(req, want...)
}

// acks accepts the last response of a kind.
func (c *client) acks(short string, want ...string) {
	c.t.Helper()
	k := kindNamed(c.t, short)
	c.sends(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url(), ResponseNonce: c.nonces[short]}, want...)
}

// nacks refuses the last response of a kind.
func (c *client) nacks(short string, want ...string) {
	c.t.Helper()
	k := kindNamed(c.t, short)
	c.sends(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: k.url(), ResponseNonce: c.nonces[short],
		ErrorDetail: &rpcstatus.Status{Code: 13, Message: "no"},
	}, want...)
}

func (c *client) sends(req *discoveryv3.DeltaDiscoveryRequest, want ...string) {
	c.t.Helper()
	out, _, err := c.stream.Request(req)
	if err != nil {
		c.t.Fatalf("request %v: %v", req, err)
	}
	c.expect(out, want...)
}

// expect compares responses, each spelt as "cluster +a +b -c".
func (c *client) expect(out []output, want ...string) {
	c.t.Helper()
	var got []string
	for _, o := range out {
		words := []string{shorts()[o.kind]}
		for _, r := range o.message.GetResources() {
			words = append(words, "+"+r.GetName())
		}
		for _, name := range o.message.GetRemovedResources() {
			words = append(words, "-"+name)
		}
		got = append(got, strings.Join(words, " "))
		c.nonces[words[0]] = o.message.GetNonce()
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Fatalf("the stream says\n  %q, want\n  %q", got, want)
	}
}
