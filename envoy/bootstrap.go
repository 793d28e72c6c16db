package envoy

import (
	"fmt"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	internallistenerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// KeyLabels is the key of the node metadata under which an Envoy sends its labels, a struct of strings.
const KeyLabels = "gatehouse.labels"

// socketMode lets only the owner of an Envoy reach its admin socket: who may open it may stop the Envoy and read secrets.
const socketMode = 0o600

// Bootstrap returns the bootstrap by which one Envoy joins its fleet: contract version BootstrapVersion. All else comes
// over delta ADS. It is complete on purpose, because changing it restarts every Envoy. The error joins everything that is
// wrong with the settings.
func Bootstrap(s Settings) (*bootstrapv3.Bootstrap, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	var p packer
	bootstrap := &bootstrapv3.Bootstrap{
		Node:             node(s),
		StaticResources:  &bootstrapv3.Bootstrap_StaticResources{Clusters: clusters(s, &p)},
		DynamicResources: dynamicResources(),
		Admin:            admin(s),
		StatsConfig:      statsConfig(s),
		// Statistics of a cluster's traffic come into being with its first request: most of 5,000 clusters are idle.
		DeferredStatOptions: &bootstrapv3.Bootstrap_DeferredStatOptions{EnableDeferredCreationStats: true},
		OverloadManager:     overloadManager(s, &p),
		LayeredRuntime:      layeredRuntime(),
		BootstrapExtensions: []*corev3.TypedExtensionConfig{{
			Name: "envoy.bootstrap.internal_listener", TypedConfig: p.pack(&internallistenerv3.InternalListener{}),
		}},
	}
	sendMetrics(bootstrap, s, &p)
	if p.err != nil {
		return nil, fmt.Errorf("bootstrap: %w", p.err)
	}
	if err := bootstrap.ValidateAll(); err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	return bootstrap, nil
}

// node tells Gatehouse who connects.
func node(s Settings) *corev3.Node {
	labels := make(map[string]*structpb.Value, len(s.Labels))
	for key, value := range s.Labels {
		labels[key] = structpb.NewStringValue(value)
	}
	n := &corev3.Node{
		Id:      s.Node,
		Cluster: s.Fleet,
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			KeyBootstrap: structpb.NewStringValue(BootstrapVersion),
			KeyAdmin:     structpb.NewStringValue(s.AdminSocket()),
			KeyLabels:    structpb.NewStructValue(&structpb.Struct{Fields: labels}),
		}},
	}
	if s.Zone != "" {
		n.Locality = &corev3.Locality{Zone: s.Zone}
	}
	return n
}

// dynamicResources makes clusters and listeners come over one delta ADS stream. Without a limit on the first fetch an
// Envoy that starts while Gatehouse is away stays "not ready" instead of going live empty (envoy-facts 12).
func dynamicResources() *bootstrapv3.Bootstrap_DynamicResources {
	overADS := func() *corev3.ConfigSource {
		return &corev3.ConfigSource{
			ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
			ResourceApiVersion:    corev3.ApiVersion_V3,
			InitialFetchTimeout:   durationpb.New(0),
		}
	}
	return &bootstrapv3.Bootstrap_DynamicResources{
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:                   corev3.ApiConfigSource_DELTA_GRPC,
			TransportApiVersion:       corev3.ApiVersion_V3,
			SetNodeOnFirstMessageOnly: true,
			GrpcServices:              []*corev3.GrpcService{xdsService()},
		},
		CdsConfig: overADS(),
		LdsConfig: overADS(),
	}
}

// admin listens on a Unix socket, and also when the limit of client connections is reached.
func admin(s Settings) *bootstrapv3.Admin {
	return &bootstrapv3.Admin{
		Address:               pipe(s.AdminSocket(), socketMode),
		IgnoreGlobalConnLimit: true,
	}
}

// regexSize is the RE2 program size up to which Envoy accepts a regular expression. Its own default, 100, refuses path
// templates of a few long segments; what people write is bounded when it is read.
const regexSize = 50_000

// layeredRuntime has a static layer for what Envoy would otherwise decide by a default that does not fit, and an admin layer
// for an operator in need.
func layeredRuntime() *bootstrapv3.LayeredRuntime {
	static := &structpb.Struct{Fields: map[string]*structpb.Value{
		"re2.max_program_size.error_level": structpb.NewNumberValue(regexSize),
	}}
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{
		{Name: "static", LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: static}},
		{Name: "admin", LayerSpecifier: &bootstrapv3.RuntimeLayer_AdminLayer_{AdminLayer: &bootstrapv3.RuntimeLayer_AdminLayer{}}},
	}}
}
