package envoy

import (
	"fmt"
	"net"
	"strconv"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	otelv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/stat_sinks/open_telemetry/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ClusterMetrics is the cluster of the collector to which an Envoy sends its metrics.
const ClusterMetrics = "gatehouse_metrics"

const (
	// metricsInterval is the time between two reports of an Envoy's metrics.
	metricsInterval = 5 * time.Second
	// metricsPoints bounds one message: a gRPC server takes 4 MiB by default.
	metricsPoints = 2000
)

// sendMetrics makes an Envoy send its metrics by OTLP over gRPC, where its settings say to whom.
func sendMetrics(b *bootstrapv3.Bootstrap, s Settings, p *packer) {
	if s.Metrics == "" {
		return
	}
	host, port, err := splitAddress(s.Metrics)
	if err != nil {
		p.err = err // Check said so before.
		return
	}
	http2 := &httpv3.HttpProtocolOptions{UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}},
		},
	}}
	endpoint := &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
		}}},
	}}}
	b.StaticResources.Clusters = append(b.StaticResources.Clusters, &clusterv3.Cluster{
		Name:                 ClusterMetrics,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS},
		ConnectTimeout:       durationpb.New(connectTimeout),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: ClusterMetrics,
			Endpoints:   []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{endpoint}}},
		},
		TypedExtensionProtocolOptions: map[string]*anypb.Any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": p.pack(http2)},
	})
	b.StatsFlushInterval = durationpb.New(metricsInterval)
	b.StatsSinks = []*metricsv3.StatsSink{{
		Name: "envoy.stat_sinks.open_telemetry",
		ConfigType: &metricsv3.StatsSink_TypedConfig{TypedConfig: p.pack(&otelv3.SinkConfig{
			ProtocolSpecifier: &otelv3.SinkConfig_GrpcService{GrpcService: &corev3.GrpcService{
				TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: ClusterMetrics}},
				Timeout:         durationpb.New(metricsInterval),
			}},
			Prefix:                  "envoy",
			MaxDataPointsPerRequest: metricsPoints,
		})},
	}}
}

// splitAddress takes HOST:PORT apart.
func splitAddress(text string) (host string, port uint32, err error) {
	host, digits, err := net.SplitHostPort(text)
	number, parseErr := strconv.ParseUint(digits, 10, 16)
	if err != nil || parseErr != nil || host == "" || number == 0 {
		return "", 0, fmt.Errorf("collector of metrics %q must be a host and a port, as in otel.bank.test:4317", text)
	}
	return host, uint32(number), nil
}

func (s Settings) checkMetrics() error {
	if s.Metrics == "" {
		return nil
	}
	_, _, err := splitAddress(s.Metrics)
	return err
}
