package envoy

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	upstreamcodecv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// How an Envoy holds its connections to Gatehouse.
const (
	// KeepaliveInterval is the time between two HTTP/2 pings of one connection. A gRPC server must allow pings at least
	// this often, or it closes the connection.
	KeepaliveInterval = 5 * time.Second

	keepaliveTimeout = 3 * time.Second
	connectTimeout   = time.Second

	// Between two attempts to open the ADS stream. Envoy's own back-off leaves a node deaf for up to half a minute after a
	// restart of Gatehouse; with this it is back in less than a second (envoy-facts 12).
	reconnectBase = 200 * time.Millisecond
	reconnectMax  = time.Second
)

// generous is a circuit breaker's limit that no sane load reaches. A call to Gatehouse has a timeout and a failure mode of
// its own; a breaker below them would refuse requests that Gatehouse could have answered.
const generous = 1_000_000

// gatehouseClusters lists the clusters of every bootstrap, in the order in which they are written.
func gatehouseClusters() []string {
	return []string{ClusterXDS, ClusterAuthz, ClusterRateLimit, ClusterAccessLog}
}

// xdsService is the gRPC service that the ADS stream is opened on.
func xdsService() *corev3.GrpcService {
	return &corev3.GrpcService{
		TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
			ClusterName: ClusterXDS,
			RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
				BaseInterval: durationpb.New(reconnectBase),
				MaxInterval:  durationpb.New(reconnectMax),
			}},
		}},
	}
}

// clusters returns the clusters to Gatehouse.
func clusters(s Settings, p *packer) []*clusterv3.Cluster {
	names := gatehouseClusters()
	made := make([]*clusterv3.Cluster, 0, len(names))
	options := p.pack(httpOptions(s, p))
	for _, name := range names {
		made = append(made, &clusterv3.Cluster{
			Name:                 name,
			ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
			EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: watchedFile(s, name)},
			ConnectTimeout:       durationpb.New(connectTimeout),
			CircuitBreakers:      generousBreakers(),
			// In turns: to look at who has the fewest calls would be to ask a dead replica first, which has none.
			LbPolicy:         clusterv3.Cluster_ROUND_ROBIN,
			HealthChecks:     []*corev3.HealthCheck{healthCheck()},
			OutlierDetection: outliers(),
			CommonLbConfig:   choice(),
			TypedExtensionProtocolOptions: map[string]*anypb.Any{
				"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options,
			},
		})
		secure(made[len(made)-1], s, p)
	}
	return made
}

// watchedFile makes Envoy read a cluster's endpoints from a file of its own, because a file may hold only one such
// resource, and read it again when a file is moved into the directory.
func watchedFile(s Settings, cluster string) *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion: corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
			Path:             s.endpointsFile(cluster),
			WatchedDirectory: &corev3.WatchedDirectory{Path: s.EndpointsDir()},
		}},
	}
}

// httpOptions makes calls to Gatehouse go over HTTP/2 with pings, and adds the node's name to each.
func httpOptions(s Settings, p *packer) *httpv3.HttpProtocolOptions {
	return &httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
						ConnectionKeepalive: &corev3.KeepaliveSettings{
							Interval: durationpb.New(KeepaliveInterval),
							Timeout:  durationpb.New(keepaliveTimeout),
						},
					},
				},
			},
		},
		HttpFilters: []*hcmv3.HttpFilter{
			{Name: "gatehouse.node", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: p.pack(nodeHeader(s))}},
			{Name: "envoy.filters.http.upstream_codec", ConfigType: &hcmv3.HttpFilter_TypedConfig{
				TypedConfig: p.pack(&upstreamcodecv3.UpstreamCodec{}),
			}},
		},
	}
}

// nodeHeader tells Gatehouse on every call which Envoy it comes from: only the ADS stream carries a node otherwise.
func nodeHeader(s Settings) *headermutationv3.HeaderMutation {
	return &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{
		RequestMutations: []*mutationv3.HeaderMutation{{
			Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
				Header:       &corev3.HeaderValue{Key: HeaderNode, Value: s.Fleet + "/" + s.Node},
			}},
		}},
	}}
}

// generousBreakers returns limits for the default priority, which all calls to Gatehouse have.
func generousBreakers() *clusterv3.CircuitBreakers {
	limit := wrapperspb.UInt32(generous)
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections: limit, MaxPendingRequests: limit, MaxRequests: limit, MaxRetries: limit,
	}}}
}
