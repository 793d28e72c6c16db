package translate

import (
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// loadAssignment returns the endpoints of a cluster. Without any it is an empty list, which is sent too: a cluster waits for
// its endpoints until something comes. Where none are known either, it has no group, which says to the delta ADS server that
// an Envoy that has endpoints is to keep them.
func loadAssignment(cluster string, endpoints []gateway.Endpoint, known bool) *endpointv3.ClusterLoadAssignment {
	out := &endpointv3.ClusterLoadAssignment{ClusterName: cluster, Endpoints: groups(endpoints)}
	if known && len(out.Endpoints) == 0 {
		out.Endpoints = []*endpointv3.LocalityLbEndpoints{{}}
	}
	return out
}

// spot is where endpoints of one group are.
type spot struct {
	priority int
	zone     string
}

// groups returns endpoints by priority and zone. Envoy wants priorities without a gap, so they are counted anew.
func groups(endpoints []gateway.Endpoint) []*endpointv3.LocalityLbEndpoints {
	var out []*endpointv3.LocalityLbEndpoints
	var priorities []int
	byPlace := map[spot]*endpointv3.LocalityLbEndpoints{}
	for _, e := range gateway.CanonicalEndpoints(endpoints) {
		if !e.Literal() {
			continue // Not resolved yet.
		}
		at := spot{priority: e.Priority, zone: e.Zone}
		group := byPlace[at]
		if group == nil {
			group = &endpointv3.LocalityLbEndpoints{Priority: uint32(e.Priority)}
			if e.Zone != "" {
				group.Locality = &corev3.Locality{Zone: e.Zone}
			}
			byPlace[at], out, priorities = group, append(out, group), append(priorities, e.Priority)
		}
		group.LbEndpoints = append(group.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier:      &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address(e.Address)}},
			LoadBalancingWeight: wrapperspb.UInt32(uint32(e.Weight)),
		})
	}
	slices.Sort(priorities)
	priorities = slices.Compact(priorities)
	for _, group := range out {
		at, _ := slices.BinarySearch(priorities, int(group.Priority))
		group.Priority = uint32(at)
	}
	slices.SortFunc(out, func(a, b *endpointv3.LocalityLbEndpoints) int {
		if a.Priority != b.Priority {
			return int(a.Priority) - int(b.Priority)
		}
		return strings.Compare(a.GetLocality().GetZone(), b.GetLocality().GetZone())
	})
	return out
}

// address returns an endpoint's address: "unix:/path" or "IP:port". Anything else was refused by the loader.
func address(text string) *corev3.Address {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}}
	}
	host, port := text, uint32(0)
	if ap, err := netip.ParseAddrPort(text); err == nil {
		host, port = ap.Addr().String(), uint32(ap.Port())
	}
	return socketAddress(host, port)
}

func socketAddress(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}
