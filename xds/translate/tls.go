package translate

import (
	"slices"
	"strings"
	"time"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	networkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// handshakeTimeout bounds a TLS handshake: who does not finish one holds a connection for nothing.
const handshakeTimeout = 10 * time.Second

// Certificate is a pair that the listeners of a fleet show, and the document that it comes from. It holds a private key, so
// it is never printed; Secret and FileSecret say what an Envoy gets.
type Certificate struct {
	Name string
	Pair gateway.KeyPair
}

// Secret returns the resource by which Envoys get a certificate (SDS). It holds the private key.
func (c Certificate) Secret() *tlsv3.Secret {
	inline := func(text []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: text}}
	}
	return c.secret(inline(c.Pair.Chain), inline(c.Pair.Key))
}

// FileSecret returns the certificate by the paths of its files.
func (c Certificate) FileSecret() *tlsv3.Secret {
	file := func(path string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
	}
	return c.secret(file(c.Pair.ChainFile), file(c.Pair.KeyFile))
}

func (c Certificate) secret(chain, key *corev3.DataSource) *tlsv3.Secret {
	return &tlsv3.Secret{Name: c.Name, Type: &tlsv3.Secret_TlsCertificate{
		TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: chain, PrivateKey: key},
	}}
}

// Authorities are those who may have issued the certificates of a listener's clients, or of an upstream's endpoints.
type Authorities struct {
	Name string
	PEM  []byte
	// Revoked are their lists of revoked certificates, PEM; empty: nobody asks.
	Revoked []byte
	File    string // On the daemon's host, where they are the system's; empty: they stand in no file of their own.
}

// FileSecret returns them by the path of their file where they have one.
func (a Authorities) FileSecret() *tlsv3.Secret {
	out := a.Secret()
	if a.File != "" {
		out.GetValidationContext().TrustedCa = &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: a.File}}
	}
	return out
}

// Secret returns the resource by which Envoys get them (SDS). There is nothing secret in it.
func (a Authorities) Secret() *tlsv3.Secret {
	inline := func(text []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: text}}
	}
	context := &tlsv3.CertificateValidationContext{TrustedCa: inline(a.PEM)}
	if len(a.Revoked) > 0 {
		context.Crl = inline(a.Revoked)
	}
	return &tlsv3.Secret{Name: a.Name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: context}}
}

// authoritiesName returns the name under which a listener's authorities are delivered. No Certificate has it, and it stays when
// they change.
func authoritiesName(g *gateway.Gateway, l *gateway.Listener) string {
	return ListenerName(g, l) + "~clients"
}

// chainName returns the name of the filter chain that shows a certificate, and of its route configuration.
func chainName(g *gateway.Gateway, l *gateway.Listener, certificate string) string {
	return ListenerName(g, l) + "~" + certificate
}

// tlsInspector reads which host a client names (SNI), before a filter chain is chosen.
func tlsInspector() *listenerv3.ListenerFilter {
	return &listenerv3.ListenerFilter{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&inspectorv3.TlsInspector{})},
	}
}

// tlsSocket ends TLS with one certificate. It names nothing that changes when the certificate or its hosts do: a changed filter
// chain drains its connections.
func tlsSocket(g *gateway.Gateway, l *gateway.Listener, certificate string) *corev3.TransportSocket {
	t := l.TLS
	least := tlsv3.TlsParameters_TLSv1_2
	if t.Minimum == gateway.TLS13 {
		least = tlsv3.TlsParameters_TLSv1_3
	}
	context := &tlsv3.DownstreamTlsContext{
		CommonTlsContext: &tlsv3.CommonTlsContext{
			TlsParams: &tlsv3.TlsParameters{
				TlsMinimumProtocolVersion: least, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
				CipherSuites: t.Ciphers, EcdhCurves: t.Curves,
			},
			AlpnProtocols: []string{"h2", "http/1.1"},
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{
				Name: certificate, SdsConfig: adsSource(initialFetchTimeout),
			}},
		},
	}
	if t.Clients != nil {
		context.RequireClientCertificate = wrapperspb.Bool(t.Clients.Required)
		context.CommonTlsContext.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
			ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: authoritiesName(g, l), SdsConfig: adsSource(initialFetchTimeout)},
		}
	}
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(context)},
	}
}

// serverNames returns which filter chain meets a client, by the host that it names: exact names by a map, then wildcards, the
// longest first. Who names none gets the chain of the listener's first certificate. Who names a host that is not served here
// gets none, and the connection is closed. The matcher may change without touching a connection; a chain may not.
func serverNames(g *gateway.Gateway, l *gateway.Listener, shown []gateway.Shown) *xdsmatcherv3.Matcher {
	exact := map[string]*xdsmatcherv3.Matcher_OnMatch{}
	wild := map[string]string{}
	for _, s := range shown {
		for _, host := range s.Hosts {
			if suffix, ok := strings.CutPrefix(host, "*"); ok {
				wild[suffix] = s.Certificate
			} else {
				exact[host] = chooseChain(chainName(g, l, s.Certificate))
			}
		}
	}
	list := &xdsmatcherv3.Matcher_MatcherList{}
	add := func(p *xdsmatcherv3.Matcher_MatcherList_Predicate, certificate string) {
		list.Matchers = append(list.Matchers, &xdsmatcherv3.Matcher_MatcherList_FieldMatcher{
			Predicate: p, OnMatch: chooseChain(chainName(g, l, certificate)),
		})
	}
	for _, suffix := range byLength(wild) {
		add(serverName(&xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_Suffix{Suffix: suffix}}), wild[suffix])
	}
	if i := slices.IndexFunc(shown, func(s gateway.Shown) bool { return s.Certificate == l.TLS.Certificates[0] }); i >= 0 {
		add(&xdsmatcherv3.Matcher_MatcherList_Predicate{
			MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_NotMatcher{NotMatcher: serverName(someName())},
		}, shown[i].Certificate)
	}
	return exactThen(exact, list)
}

// someName holds for every client that names a host.
func someName() *xdsmatcherv3.StringMatcher {
	return &xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_SafeRegex{SafeRegex: &xdsmatcherv3.RegexMatcher{
		EngineType: &xdsmatcherv3.RegexMatcher_GoogleRe2{GoogleRe2: &xdsmatcherv3.RegexMatcher_GoogleRE2{}}, Regex: ".+",
	}}}
}

// exactThen returns a matcher that looks up exact names, and then goes through a list.
func exactThen(exact map[string]*xdsmatcherv3.Matcher_OnMatch, list *xdsmatcherv3.Matcher_MatcherList) *xdsmatcherv3.Matcher {
	others := &xdsmatcherv3.Matcher{MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: list}}
	if len(exact) == 0 {
		return others
	}
	out := &xdsmatcherv3.Matcher{MatcherType: &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
		Input: serverNameInput(),
		TreeType: &xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap{
			ExactMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: exact},
		},
	}}}
	if len(list.Matchers) > 0 {
		out.OnNoMatch = &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Matcher{Matcher: others}}
	}
	return out
}

// byLength returns the keys of a map, the longest first.
func byLength(suffixes map[string]string) []string {
	var out []string
	for s := range suffixes {
		out = append(out, s)
	}
	slices.SortFunc(out, gateway.CompareHosts)
	return out
}

func serverNameInput() *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: "server-name", TypedConfig: packed(&networkv3.ServerNameInput{})}
}

func serverName(m *xdsmatcherv3.StringMatcher) *xdsmatcherv3.Matcher_MatcherList_Predicate {
	return &xdsmatcherv3.Matcher_MatcherList_Predicate{
		MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
			SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
				Input:   serverNameInput(),
				Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: m},
			},
		},
	}
}

func chooseChain(name string) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{
		Name: name, TypedConfig: packed(wrapperspb.String(name)),
	}}}
}
