package translate

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	// endpointsTimeout bounds how long a new cluster waits for its endpoints and secrets, which ride along.
	endpointsTimeout = 2 * time.Second
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
		CircuitBreakers:      circuitBreakers(u.Bulkhead, u.Retries),
		OutlierDetection:     outlierDetection(u.Ejection),
		TransportSocket:      upstreamSocket(u),
		TypedExtensionProtocolOptions: map[string]*anypb.Any{
			httpOptions: packed(protocolOptions(u)),
		},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(clusterBuffer),
	}
	balance(c, u)
	if u.Health != nil {
		c.HealthChecks = []*corev3.HealthCheck{healthCheck(u.Health)}
		// An endpoint that was removed while failing its checks is dropped at once.
		c.IgnoreHealthOnHostRemoval = true
	}
	return c
}

// circuitBreakers returns the bounds of what may be under way at one time. Envoy keeps them for each cluster.
func circuitBreakers(b gateway.Bulkhead, r *gateway.Retries) *clusterv3.CircuitBreakers {
	t := &clusterv3.CircuitBreakers_Thresholds{
		MaxConnections:     wrapperspb.UInt32(uint32(b.Connections)),
		MaxPendingRequests: wrapperspb.UInt32(uint32(b.Pending)),
		MaxRequests:        wrapperspb.UInt32(uint32(b.Requests)),
	}
	if r != nil {
		t.RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
			BudgetPercent:       &typev3.Percent{Value: r.Budget},
			MinRetryConcurrency: wrapperspb.UInt32(minRetries),
		}
	}
	out := &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{t}}
	if b.PerEndpoint > 0 {
		out.PerHostThresholds = []*clusterv3.CircuitBreakers_Thresholds{{MaxConnections: wrapperspb.UInt32(uint32(b.PerEndpoint))}}
	}
	return out
}

// protocolOptions returns what is spoken to the endpoints, and how long a connection is kept.
func protocolOptions(u *gateway.Upstream) *httpv3.HttpProtocolOptions {
	common := &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(u.Connections.Idle)}
	if u.Connections.Age > 0 {
		common.MaxConnectionDuration = durationpb.New(u.Connections.Age)
	}
	if u.Connections.Requests > 0 {
		common.MaxRequestsPerConnection = wrapperspb.UInt32(uint32(u.Connections.Requests))
	}
	explicit := &httpv3.HttpProtocolOptions_ExplicitHttpConfig{}
	switch u.Protocol {
	case gateway.HTTP2:
		explicit.ProtocolConfig = &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
		}
	case gateway.HTTP1:
		explicit.ProtocolConfig = &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
		}
	}
	return &httpv3.HttpProtocolOptions{
		CommonHttpProtocolOptions: common,
		UpstreamProtocolOptions:   &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: explicit},
	}
}
