package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// Sizes of the tables by which endpoints are found by a hash. A ring of Envoy's usual 1,024 places shares out unevenly.
const (
	leastRing  = 4096
	mostRing   = 65_536
	maglevSize = 65_537 // A prime, as Maglev asks for; Envoy's default, about a megabyte for each worker.
)

// minSlowWeight is the least share of an endpoint in slow start, in percent.
const minSlowWeight = 10

// balance says how a cluster chooses the next endpoint.
func balance(c *clusterv3.Cluster, u *gateway.Upstream) {
	slow := slowStart(u)
	switch u.Balance {
	case gateway.RoundRobin:
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
		if slow != nil {
			c.LbConfig = &clusterv3.Cluster_RoundRobinLbConfig_{RoundRobinLbConfig: &clusterv3.Cluster_RoundRobinLbConfig{SlowStartConfig: slow}}
		}
	case gateway.Random:
		c.LbPolicy = clusterv3.Cluster_RANDOM
	case gateway.LeastRequest:
		c.LbPolicy = clusterv3.Cluster_LEAST_REQUEST
		if slow != nil {
			c.LbConfig = &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: &clusterv3.Cluster_LeastRequestLbConfig{SlowStartConfig: slow}}
		}
	case gateway.RingHash:
		c.LbPolicy = clusterv3.Cluster_RING_HASH
		c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{
			MinimumRingSize: wrapperspb.UInt64(leastRing), MaximumRingSize: wrapperspb.UInt64(mostRing),
		}}
	case gateway.Maglev:
		c.LbPolicy = clusterv3.Cluster_MAGLEV
		c.LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{TableSize: wrapperspb.UInt64(maglevSize)}}
	}
	if p := u.Balancing.Panic; p != nil {
		c.CommonLbConfig = &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{Value: *p}}
	}
}

func slowStart(u *gateway.Upstream) *clusterv3.Cluster_SlowStartConfig {
	if u.Balancing.SlowStart == 0 {
		return nil
	}
	return &clusterv3.Cluster_SlowStartConfig{
		SlowStartWindow:  durationpb.New(u.Balancing.SlowStart),
		Aggression:       &corev3.RuntimeDouble{DefaultValue: 1, RuntimeKey: "gatehouse.slow_start"},
		MinWeightPercent: &typev3.Percent{Value: minSlowWeight},
	}
}

// hashPolicy returns what of a route's requests endpoints are chosen by, nil where they are chosen otherwise.
func hashPolicy(k *gateway.HashKey) []*routev3.RouteAction_HashPolicy {
	if k == nil {
		return nil
	}
	out := &routev3.RouteAction_HashPolicy{}
	switch k.Source {
	case gateway.HashHeader:
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: k.Name}}
	case gateway.HashQuery:
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_QueryParameter_{
			QueryParameter: &routev3.RouteAction_HashPolicy_QueryParameter{Name: k.Name},
		}
	case gateway.HashAddress:
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_ConnectionProperties_{
			ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: true},
		}
	case gateway.HashCookie:
		cookie := &routev3.RouteAction_HashPolicy_Cookie{Name: k.Name}
		if k.TTL > 0 { // Envoy gives who has none a number made of both ends of the connection: nothing about endpoints.
			cookie.Ttl, cookie.Path = durationpb.New(k.TTL), "/"
			cookie.Attributes = []*routev3.RouteAction_HashPolicy_CookieAttribute{{Name: "SameSite", Value: "Lax"}}
		}
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Cookie_{Cookie: cookie}
	}
	return []*routev3.RouteAction_HashPolicy{out}
}
