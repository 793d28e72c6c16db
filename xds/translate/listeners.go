package translate

import (
	"time"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	proxyprotocolv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	xffv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/xff/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of every connection from outside, after Envoy's own advice for edge proxies.
const (
	headersTimeout = 10 * time.Second
	idleTimeout    = 5 * time.Minute
	maxStreams     = 100
	streamWindow   = 64 << 10
	connWindow     = 1 << 20
)

// listener returns an Envoy listener with the one fixed order of filters. It depends on the Gateway document alone, so that
// no change of an API ever drains it.
func listener(g *gateway.Gateway, l *gateway.Listener) *listenerv3.Listener {
	name := ListenerName(g, l)
	out := &listenerv3.Listener{
		Name:    name,
		Address: socketAddress(l.Address, uint32(l.Port)),
		FilterChains: []*listenerv3.FilterChain{{
			Name: name,
			Filters: []*listenerv3.Filter{{
				Name:       "envoy.filters.network.http_connection_manager",
				ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(connectionManager(g, name))},
			}},
		}},
		StatPrefix: name,
	}
	if g.Trust.ProxyProtocol {
		out.ListenerFilters = []*listenerv3.ListenerFilter{{
			Name: "envoy.filters.listener.proxy_protocol",
			ConfigType: &listenerv3.ListenerFilter_TypedConfig{
				TypedConfig: packed(&proxyprotocolv3.ProxyProtocol{}),
			},
		}}
	}
	return out
}

func connectionManager(g *gateway.Gateway, name string) *hcmv3.HttpConnectionManager {
	m := &hcmv3.HttpConnectionManager{
		StatPrefix: name,
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{
			Rds: &hcmv3.Rds{ConfigSource: adsSource(initialFetchTimeout), RouteConfigName: name},
		},
		HttpFilters:                  httpFilters(g.Timeouts),
		AccessLog:                    accessLog(),
		LocalReplyConfig:             localReplies(),
		ServerHeaderTransformation:   hcmv3.HttpConnectionManager_PASS_THROUGH,
		NormalizePath:                wrapperspb.Bool(true),
		MergeSlashes:                 true,
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_REJECT_REQUEST,
		StripTrailingHostDot:         true,
		RequestHeadersTimeout:        durationpb.New(headersTimeout),
		StreamIdleTimeout:            durationpb.New(idleTimeout),
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout:                  durationpb.New(idleTimeout),
			HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_REJECT_REQUEST,
		},
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        wrapperspb.UInt32(maxStreams),
			InitialStreamWindowSize:     wrapperspb.UInt32(streamWindow),
			InitialConnectionWindowSize: wrapperspb.UInt32(connWindow),
		},
		EarlyHeaderMutationExtensions: []*corev3.TypedExtensionConfig{stripClientHeaders()},
	}
	trust(m, g.Trust)
	return m
}

// trust sets whose word about the client's address counts. Envoy's remote address and a list of proxies exclude each other.
func trust(m *hcmv3.HttpConnectionManager, t gateway.Trust) {
	if len(t.Proxies) == 0 {
		m.UseRemoteAddress = wrapperspb.Bool(true)
		m.XffNumTrustedHops = uint32(t.Hops)
		return
	}
	cidrs := &xffv3.XffTrustedCidrs{}
	for _, p := range t.Proxies {
		cidrs.Cidrs = append(cidrs.Cidrs, &corev3.CidrRange{
			AddressPrefix: p.Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(p.Bits())),
		})
	}
	m.UseRemoteAddress = wrapperspb.Bool(false)
	m.OriginalIpDetectionExtensions = []*corev3.TypedExtensionConfig{{
		Name:        "envoy.http.original_ip_detection.xff",
		TypedConfig: packed(&xffv3.XffConfig{XffTrustedCidrs: cidrs, SkipXffAppend: wrapperspb.Bool(false)}),
	}}
}

// stripClientHeaders removes, before a route is chosen, every header by which Gatehouse or a filter of ours tells something,
// so that no client can say it in their place.
func stripClientHeaders() *corev3.TypedExtensionConfig {
	remove := func(m *matcherv3.StringMatcher) *mutationv3.HeaderMutation {
		return &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
			RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: m},
		}}
	}
	return &corev3.TypedExtensionConfig{
		Name: "gatehouse.strip",
		TypedConfig: packed(&earlyv3.HeaderMutation{Mutations: []*mutationv3.HeaderMutation{
			remove(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: envoy.HeaderPrefix}}),
			remove(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: envoy.HeaderFailureModeAllowed}}),
		}}),
	}
}
