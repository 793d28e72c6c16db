package translate

import (
	"slices"
	"time"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
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

// envoyHeaders begins the names of headers by which Envoys tell one another something: time limits, retries, the path before
// a rewrite, that a failed authorization let a request through.
const envoyHeaders = "x-envoy-"

// listener returns an Envoy listener with the one fixed order of filters. It depends on the Gateway document alone, and on the
// names in its certificates, so that no change of an API ever drains it.
func listener(g *gateway.Gateway, l *gateway.Listener, shown []gateway.Shown) *listenerv3.Listener {
	name := ListenerName(g, l)
	out := &listenerv3.Listener{
		Name:       name,
		Address:    socketAddress(l.Address, uint32(l.Port)),
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
	if l.TLS != nil {
		out.ListenerFilters = append(out.ListenerFilters, tlsInspector())
		out.FilterChainMatcher = serverNames(g, l, shown)
		for _, s := range shown {
			chain := filterChain(g, l, chainName(g, l, s.Certificate))
			chain.TransportSocket, chain.TransportSocketConnectTimeout = tlsSocket(g, l, s.Certificate), durationpb.New(handshakeTimeout)
			out.FilterChains = append(out.FilterChains, chain)
		}
		return out
	}
	out.FilterChains = []*listenerv3.FilterChain{filterChain(g, l, name)}
	return out
}

// filterChain returns a filter chain, which has a route configuration of its own name.
func filterChain(g *gateway.Gateway, l *gateway.Listener, name string) *listenerv3.FilterChain {
	return &listenerv3.FilterChain{
		Name: name,
		Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(connectionManager(g, l, name))},
		}},
	}
}

func connectionManager(g *gateway.Gateway, l *gateway.Listener, name string) *hcmv3.HttpConnectionManager {
	m := &hcmv3.HttpConnectionManager{
		StatPrefix: ListenerName(g, l),
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{
			Rds: &hcmv3.Rds{ConfigSource: adsSource(initialFetchTimeout), RouteConfigName: name},
		},
		HttpFilters:                  httpFilters(g),
		AccessLog:                    slices.Concat(accessLog(), ownLog(g.AccessLog)),
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
		EarlyHeaderMutationExtensions: []*corev3.TypedExtensionConfig{stripClientHeaders(g.Trust)},
	}
	if g.Health != "" {
		m.HttpFilters = append([]*hcmv3.HttpFilter{on("envoy.filters.http.health_check", healthAnswer(g.Health))}, m.HttpFilters...)
	}
	if l.Redirect != nil {
		stripPort(m)
	}
	if g.Tracing != nil {
		m.Tracing = tracing(g)
	}
	trust(m, g.Trust)
	return m
}

// healthAnswer returns the filter that answers for the Envoy itself, before any other: 200, or 503 once it drains.
func healthAnswer(path string) *healthv3.HealthCheck {
	return &healthv3.HealthCheck{
		PassThroughMode: wrapperspb.Bool(false),
		Headers: []*routev3.HeaderMatcher{{
			Name: ":path",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: path},
			}},
		}},
	}
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

// stripClientHeaders removes, before a route is chosen, every header by which Gatehouse, Envoy or a trusted proxy tells
// something, so that no client can say it in their place. Envoy itself removes some of its own, but not all, and fewer where a
// list of proxies is trusted; what it adds, it adds after this.
func stripClientHeaders(t gateway.Trust) *corev3.TypedExtensionConfig {
	strip := &earlyv3.HeaderMutation{}
	remove := func(m *matcherv3.StringMatcher) {
		strip.Mutations = append(strip.Mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
			RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: m},
		}})
	}
	prefixes := []string{envoy.HeaderPrefix, envoyHeaders}
	if t.Hops == 0 && len(t.Proxies) == 0 { // Nobody in front may say where a request comes from.
		prefixes = append(prefixes, "x-forwarded-")
		for _, name := range []string{"forwarded", "x-real-ip"} {
			remove(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name}})
		}
	}
	for _, prefix := range prefixes {
		remove(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}})
	}
	return &corev3.TypedExtensionConfig{Name: "gatehouse.strip", TypedConfig: packed(strip)}
}
