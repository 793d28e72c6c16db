package cache

import (
	"fmt"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
)

const (
	benchNodes  = 300
	benchHosts  = 100
	benchRoutes = 50
)

// benchItems are the resources of a fleet of some size; changed is the host whose content differs.
func benchItems(changed int) []Item {
	items := []Item{{Message: message(listeners, "l", "")}, {Message: message(routeConfigs, "rc", "")}}
	for h := range benchHosts {
		host := &routev3.VirtualHost{Name: fmt.Sprint("rc/", h), Domains: []string{fmt.Sprint(h, ".bank.test")}}
		for r := range benchRoutes {
			path := fmt.Sprintf("/accounts/%d/payments/%d", h, r)
			if h == changed {
				path += "/new"
			}
			host.Routes = append(host.Routes, &routev3.Route{
				Name:  fmt.Sprintf("payments/v1/operation-%d-%d", h, r),
				Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}},
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{
					ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: fmt.Sprint("upstream-", h)},
				}},
			})
		}
		items = append(items, Item{Message: host}, Item{Message: message(clusters, fmt.Sprint("upstream-", h), "")},
			Item{Message: message(endpoints, fmt.Sprint("upstream-", h), "")})
	}
	return items
}

func benchSnapshot(b *testing.B, changed int) *Snapshot {
	b.Helper()
	s, err := NewSnapshot("edge", fmt.Sprint(changed), benchItems(changed))
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// drain accepts what a stream says until it says nothing more, and marshals it as gRPC would. It returns the bytes.
func drain(b *testing.B, s *stream, out []output) int {
	b.Helper()
	total := 0
	for len(out) > 0 {
		o := out[0]
		body, err := proto.Marshal(o.message)
		if err != nil {
			b.Fatal(err)
		}
		total += len(body)
		more, _, err := s.Request(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: o.kind.url(), ResponseNonce: o.message.GetNonce()})
		if err != nil {
			b.Fatal(err)
		}
		out = append(out[1:], more...)
	}
	return total
}

// benchStream opens all types of a stream, as Envoy does, and returns the bytes of the first delivery.
func benchStream(b *testing.B, snapshot *Snapshot) (*stream, int) {
	b.Helper()
	s := newStream(100_000)
	total := drain(b, s, s.Use(snapshot))
	for _, k := range []kind{clusters, endpoints, listeners, routeConfigs, virtualHosts} {
		req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url()}
		if !k.wildcard() {
			req.ResourceNamesSubscribe = snapshot.sets[k].names
		}
		out, _, err := s.Request(req)
		if err != nil {
			b.Fatal(err)
		}
		total += drain(b, s, out)
	}
	return s, total
}

func BenchmarkSnapshot(b *testing.B) {
	items := benchItems(-1)
	for b.Loop() {
		if _, err := NewSnapshot("edge", "1", items); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstDelivery is 300 nodes that come at once, without the network.
func BenchmarkFirstDelivery(b *testing.B) {
	snapshot := benchSnapshot(b, -1)
	var bytes int
	for b.Loop() {
		for range benchNodes {
			_, bytes = benchStream(b, snapshot)
		}
	}
	b.ReportMetric(float64(bytes), "bytes/node")
}

// BenchmarkOneHostChanges is a change of one virtual host for 300 nodes, without the network.
func BenchmarkOneHostChanges(b *testing.B) {
	snapshots := []*Snapshot{benchSnapshot(b, 0), benchSnapshot(b, 1)}
	streams := make([]*stream, benchNodes)
	for i := range streams {
		streams[i], _ = benchStream(b, snapshots[1])
	}
	var bytes, round int
	for b.Loop() {
		bytes = 0
		for _, s := range streams {
			bytes += drain(b, s, s.Use(snapshots[round%2]))
		}
		round++
	}
	b.ReportMetric(float64(bytes)/benchNodes, "bytes/node")
}
