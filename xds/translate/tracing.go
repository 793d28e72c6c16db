package translate

import (
	"time"

	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// spanTimeout bounds one export of spans.
const spanTimeout = 5 * time.Second

// tracing returns how spans are made: one for the request and one for each call of an upstream, named as the route. Of requests that
// come with a decision (traceparent, W3C Trace Context 3.2) at most the sampled share is traced too: a client could fill the collector.
func tracing(g *gateway.Gateway) *hcmv3.HttpConnectionManager_Tracing {
	sample := &typev3.Percent{Value: g.Tracing.Sample}
	return &hcmv3.HttpConnectionManager_Tracing{
		ClientSampling:    &typev3.Percent{},
		RandomSampling:    sample,
		OverallSampling:   sample,
		SpawnUpstreamSpan: wrapperspb.Bool(true),
		Operation:         "%ROUTE_NAME%",
		UpstreamOperation: "%UPSTREAM_CLUSTER_RAW%",
		Provider: &tracev3.Tracing_Http{
			Name: "envoy.tracers.opentelemetry",
			ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed(&tracev3.OpenTelemetryConfig{
				GrpcService: service(ClusterName(g.Tracing.Upstream), spanTimeout),
				ServiceName: "gatehouse-" + g.Fleet,
			})},
		},
	}
}
