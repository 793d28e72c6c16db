package translate

import (
	"slices"
	"strings"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// addStreams adds a listener that passes on connections, and where each of its Routes leads to. A listener without a Route is
// left out: it could pass on nothing.
func (out *Resources) addStreams(b *builder, g *gateway.Gateway, l *gateway.Listener, all []*gateway.Stream) {
	var own []*gateway.Stream
	for _, s := range all {
		if s.Gateway.Name == g.Name && s.Listener == l.Name {
			own = append(own, s)
		}
	}
	if len(own) == 0 {
		return
	}
	slices.SortFunc(own, func(a, b *gateway.Stream) int { return strings.Compare(a.Name, b.Name) })
	out.Listeners = append(out.Listeners, streamListener(g, l, own))
	for _, s := range own {
		name := streamName(g, l, s)
		out.streams = append(out.streams, &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed(b.passOn(g, l, s))})
		out.Origins[name] = s.Origin
	}
}

// streamName returns the name of the filter chain of a Route and of where it leads to, which comes by itself (ECDS). A listener
// of TCP has one chain, whichever Route it has.
func streamName(g *gateway.Gateway, l *gateway.Listener, s *gateway.Stream) string {
	if s.Spoken == gateway.SpeaksTCP {
		return ListenerName(g, l) + "~stream"
	}
	return ListenerName(g, l) + "~" + s.Name
}

// streamListener returns a listener that passes on connections. What a Route says is in none of it but its names: a connection
// stays when an Upstream or a share changes, and meets the new one when it is made anew.
func streamListener(g *gateway.Gateway, l *gateway.Listener, own []*gateway.Stream) *listenerv3.Listener {
	name := ListenerName(g, l)
	out := &listenerv3.Listener{
		Name:       name,
		Address:    socketAddress(l.Address, uint32(l.Port)),
		StatPrefix: name,

		PerConnectionBufferLimitBytes: wrapperspb.UInt32(uint32(boundsOf(l).Buffer)),
		ListenerFilters:               proxyProtocol(g.Trust),
	}
	if l.Speaks == gateway.SpeaksTLS {
		out.ListenerFilters = append(out.ListenerFilters, tlsInspector())
		out.FilterChainMatcher = askedNames(g, l, own)
	}
	for _, s := range own {
		chain := streamName(g, l, s)
		out.FilterChains = append(out.FilterChains, &listenerv3.FilterChain{
			Name: chain,
			Filters: append(connectionLimit(name, boundsOf(l)), &listenerv3.Filter{
				Name: chain,
				ConfigType: &listenerv3.Filter_ConfigDiscovery{ConfigDiscovery: &corev3.ExtensionConfigSource{
					ConfigSource: adsSource(initialFetchTimeout), TypeUrls: []string{packed(&tcpproxyv3.TcpProxy{}).TypeUrl},
				}},
			}),
		})
	}
	return out
}

// askedNames returns which filter chain meets a client, by the host that it names. Who names none, or one that no Route has,
// meets none, and the connection is closed.
func askedNames(g *gateway.Gateway, l *gateway.Listener, own []*gateway.Stream) *xdsmatcherv3.Matcher {
	exact, wild, anyName := map[string]*xdsmatcherv3.Matcher_OnMatch{}, map[string]string{}, ""
	for _, s := range own {
		for _, host := range s.Names {
			chain := streamName(g, l, s)
			if host == gateway.AnyHost {
				anyName = chain
			} else if suffix, ok := strings.CutPrefix(host, "*"); ok {
				wild[suffix] = chain
			} else {
				exact[host] = chooseChain(chain)
			}
		}
	}
	list := &xdsmatcherv3.Matcher_MatcherList{}
	for _, suffix := range byLength(wild) {
		list.Matchers = append(list.Matchers, &xdsmatcherv3.Matcher_MatcherList_FieldMatcher{
			Predicate: serverName(&xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_Suffix{Suffix: suffix}}),
			OnMatch:   chooseChain(wild[suffix]),
		})
	}
	if anyName != "" {
		list.Matchers = append(list.Matchers, &xdsmatcherv3.Matcher_MatcherList_FieldMatcher{
			Predicate: serverName(someName()), OnMatch: chooseChain(anyName),
		})
	}
	return exactThen(exact, list)
}

// passOn returns where the connections of a Route lead to.
func (b *builder) passOn(g *gateway.Gateway, l *gateway.Listener, s *gateway.Stream) *tcpproxyv3.TcpProxy {
	out := &tcpproxyv3.TcpProxy{
		StatPrefix:         ListenerName(g, l),
		AccessLog:          ownLog(g.AccessLog),
		IdleTimeout:        durationpb.New(s.Passing.Idle),
		MaxConnectAttempts: wrapperspb.UInt32(uint32(s.Passing.Attempts)),
	}
	if len(s.Targets) == 1 {
		out.ClusterSpecifier = &tcpproxyv3.TcpProxy_Cluster{Cluster: b.cluster(s.Targets[0].Upstream)}
		return out
	}
	shares := &tcpproxyv3.TcpProxy_WeightedCluster{}
	for _, t := range s.Targets {
		shares.Clusters = append(shares.Clusters, &tcpproxyv3.TcpProxy_WeightedCluster_ClusterWeight{
			Name: b.cluster(t.Upstream), Weight: uint32(t.Weight),
		})
	}
	out.ClusterSpecifier = &tcpproxyv3.TcpProxy_WeightedClusters{WeightedClusters: shares}
	return out
}
