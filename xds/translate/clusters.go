package translate

import (
	"net/netip"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	// endpointsTimeout bounds how long a new cluster waits for its endpoints, which ride along.
	endpointsTimeout = 2 * time.Second
	// maxConcurrent lifts Envoy's default of 1,024 connections, pending requests and requests to a cluster: limits are the
	// documents' business, not a default's.
	maxConcurrent = 1 << 20
	// minRetries are allowed beside the budget's share, so that an idle upstream's first failure is retried too.
	minRetries = 3
	// httpOptions is the key under which a cluster's HTTP protocol options stand.
	httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
)

// cluster returns the cluster of an upstream. Its endpoints come by EDS under the cluster's own name.
func cluster(u *gateway.Upstream) *clusterv3.Cluster {
	c := &clusterv3.Cluster{
		Name:                 ClusterName(u),
		AltStatName:          statName(u),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: adsSource(endpointsTimeout)},
		ConnectTimeout:       durationpb.New(u.ConnectTimeout),
		CircuitBreakers:      circuitBreakers(u.Retries),
	}
	switch u.Balance {
	case gateway.RoundRobin:
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
	case gateway.Random:
		c.LbPolicy = clusterv3.Cluster_RANDOM
	case gateway.LeastRequest:
		c.LbPolicy = clusterv3.Cluster_LEAST_REQUEST
	}
	if u.Protocol == gateway.HTTP2 {
		c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: packed(http2Options())}
	}
	if u.Health != nil {
		c.HealthChecks = []*corev3.HealthCheck{healthCheck(u.Health)}
		// An endpoint that was removed while failing its checks is dropped at once.
		c.IgnoreHealthOnHostRemoval = true
	}
	return c
}

func circuitBreakers(r *gateway.Retries) *clusterv3.CircuitBreakers {
	t := &clusterv3.CircuitBreakers_Thresholds{
		MaxConnections:     wrapperspb.UInt32(maxConcurrent),
		MaxPendingRequests: wrapperspb.UInt32(maxConcurrent),
		MaxRequests:        wrapperspb.UInt32(maxConcurrent),
	}
	if r != nil {
		t.RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
			BudgetPercent:       &typev3.Percent{Value: r.Budget},
			MinRetryConcurrency: wrapperspb.UInt32(minRetries),
		}
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{t}}
}

func http2Options() *httpv3.HttpProtocolOptions {
	return &httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
				},
			},
		},
	}
}

// healthCheck returns the active check. It runs at the same pace without traffic: Envoy would otherwise wait a minute.
func healthCheck(h *gateway.Health) *corev3.HealthCheck {
	return &corev3.HealthCheck{
		Timeout:                      durationpb.New(h.Timeout),
		Interval:                     durationpb.New(h.Interval),
		NoTrafficInterval:            durationpb.New(h.Interval),
		IntervalJitterPercent:        10,
		HealthyThreshold:             wrapperspb.UInt32(uint32(h.Healthy)),
		UnhealthyThreshold:           wrapperspb.UInt32(uint32(h.Unhealthy)),
		AlwaysLogHealthCheckFailures: false,
		HealthChecker: &corev3.HealthCheck_HttpHealthCheck_{
			HttpHealthCheck: &corev3.HealthCheck_HttpHealthCheck{Path: h.Path},
		},
	}
}

// loadAssignment returns the endpoints of a cluster. Without any it is an empty list, which is sent too: a cluster waits for
// its endpoints until something comes. Where none are known either, it has no group, which says to the delta ADS server that
// an Envoy that has endpoints is to keep them.
func loadAssignment(cluster string, endpoints []gateway.Endpoint, known bool) *endpointv3.ClusterLoadAssignment {
	group := &endpointv3.LocalityLbEndpoints{}
	for _, e := range gateway.CanonicalEndpoints(endpoints) {
		if !e.Literal() {
			continue // Not resolved yet.
		}
		group.LbEndpoints = append(group.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier:      &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address(e.Address)}},
			LoadBalancingWeight: wrapperspb.UInt32(uint32(e.Weight)),
		})
	}
	if !known && len(group.LbEndpoints) == 0 {
		return &endpointv3.ClusterLoadAssignment{ClusterName: cluster}
	}
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: cluster,
		Endpoints:   []*endpointv3.LocalityLbEndpoints{group},
	}
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
