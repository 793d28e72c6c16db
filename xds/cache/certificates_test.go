package cache

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	networkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	sniv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/cert_mappers/sni/v3"
	demandv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/cert_selectors/on_demand_secret/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/internal/testcert"
)

// tlsWay is a way to give each host its own certificate.
type tlsWay struct {
	name string
	// apply makes the plain listener "http" one that speaks TLS for the hosts.
	apply func(b *bankHouse, hosts []string)
	// drains says that connections to the first host are drained when its chain gets another name or host beside it;
	// asks that a client who names a host that nobody serves makes Envoy ask for its certificate.
	drains, asks bool
}

func tlsWays() []tlsWay {
	return []tlsWay{
		{name: "one chain, certificates on demand by SNI", apply: onDemand, asks: true},
		{name: "a chain for each certificate, chosen by a matcher", apply: chainEach},
		{name: "a chain for each certificate, chosen by server_names", apply: chainNames, drains: true},
	}
}

// TestEnvoyTakesANewCertificate measures what a host with a certificate of its own costs the connections of other hosts, and what
// clients cost who name hosts that nobody serves. ADR 19 rests on it.
func TestEnvoyTakesANewCertificate(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	for _, way := range tlsWays() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, Settings{})
			b := newBankHouse(t, s)
			b.certified(way, 1)
			s.Use(b.snapshot())
			b.join(s)
			b.awaits(s)
			for _, n := range []int{2, 20, 200} {
				before := s.Counters()
				b.certified(way, n)
				began := time.Now()
				b.uses(s)
				used := time.Since(began)
				_, bytes := spent(s, before)
				began = time.Now()
				if shown := b.shown(fmt.Sprint(n-1, ".test")); shown != fmt.Sprint(n-1, ".test") {
					t.Errorf("the new host is shown %q", shown)
				}
				t.Logf("%d hosts: %d bytes in %v, first handshake of the new host %v", n, bytes, used, time.Since(began))
			}
			stats, err := envoy.NewAdmin(filepath.Join(b.dir, "e", "admin.sock")).Stats(t.Context(),
				`^listener_manager\.(listener_in_place_updated|total_filter_chains_draining|total_listeners_draining)$`)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v", stats)
			drained := stats["listener_manager.total_filter_chains_draining"] + stats["listener_manager.total_listeners_draining"]
			if (drained > 0) != way.drains {
				t.Errorf("%d chains and listeners are drained", drained)
			}
			const strangers = 200
			before, began := s.Counters()[secrets].Responses, time.Now()
			for i := range strangers {
				if shown := b.shown(fmt.Sprint("stranger-", i, ".test")); shown != "" {
					t.Errorf("a host that nobody serves is shown %q", shown)
				}
			}
			asked := s.Counters()[secrets].Responses - before
			t.Logf("%d handshakes for hosts that nobody serves: %v, %d of them asked for here", strangers, time.Since(began), asked)
			if (asked == strangers) != way.asks || (asked == 0) == way.asks {
				t.Errorf("%d handshakes for hosts that nobody serves were asked for here", asked)
			}
		})
	}
}

// certified puts certificates for hosts, and the listener that shows them.
func (b *bankHouse) certified(way tlsWay, count int) {
	b.t.Helper()
	b.listen("http")
	var hosts []string
	for i := range count {
		hosts = append(hosts, fmt.Sprint(i, ".test"))
		b.secret(hosts[i])
	}
	way.apply(b, hosts)
}

// shown returns the host of the certificate that a client gets who names a host; "" where it gets none.
func (b *bankHouse) shown(host string) string {
	b.t.Helper()
	raw, err := new(net.Dialer).DialContext(b.t.Context(), "unix", filepath.Join(b.dir, "http"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true}) //nolint:gosec // Names are what is tested.
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	if c.HandshakeContext(ctx) != nil {
		return ""
	}
	return c.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// secret puts a certificate for a host, once.
func (b *bankHouse) secret(host string) {
	if _, ok := b.items[TypeSecret+" "+host]; ok {
		return
	}
	chain, key, err := testcert.Make(testcert.Settings{Hosts: []string{host}})
	if err != nil {
		b.t.Fatal(err)
	}
	inline := func(text []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: text}}
	}
	b.put(&tlsv3.Secret{Name: host, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: inline(chain), PrivateKey: inline(key),
	}}})
}

func anyOf(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (b *bankHouse) tlsListener(change func(l *listenerv3.Listener, filters []*listenerv3.Filter)) {
	l := proto.CloneOf(b.items[TypeListener+" http"].Message.(*listenerv3.Listener))
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: anyOf(b.t, &inspectorv3.TlsInspector{})},
	}}
	change(l, l.FilterChains[0].Filters)
	b.put(l)
}

func (b *bankHouse) socket(common *tlsv3.CommonTlsContext) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: "envoy.transport_sockets.tls", ConfigType: &corev3.TransportSocket_TypedConfig{
		TypedConfig: anyOf(b.t, &tlsv3.DownstreamTlsContext{
			CommonTlsContext: common, DisableStatefulSessionResumption: true,
			SessionTicketKeysType: &tlsv3.DownstreamTlsContext_DisableStatelessSessionResumption{DisableStatelessSessionResumption: true},
		}),
	}}
}

func onDemand(b *bankHouse, _ []string) {
	b.tlsListener(func(l *listenerv3.Listener, filters []*listenerv3.Filter) {
		l.FilterChains = []*listenerv3.FilterChain{{Name: "all", Filters: filters, TransportSocket: b.socket(&tlsv3.CommonTlsContext{
			CustomTlsCertificateSelector: &corev3.TypedExtensionConfig{Name: "envoy.tls.certificate_selectors.on_demand_secret", TypedConfig: anyOf(b.t, &demandv3.Config{
				ConfigSource:      ads(),
				CertificateMapper: &corev3.TypedExtensionConfig{Name: "envoy.tls.certificate_mappers.sni", TypedConfig: anyOf(b.t, &sniv3.SNI{DefaultValue: "0.test"})},
			})},
		})}}
	})
}

func bySDS(name string) *tlsv3.CommonTlsContext {
	return &tlsv3.CommonTlsContext{TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{Name: name, SdsConfig: ads()}}}
}

func chainEach(b *bankHouse, hosts []string) {
	b.tlsListener(func(l *listenerv3.Listener, filters []*listenerv3.Filter) {
		l.FilterChains = nil
		exact := map[string]*xdsmatcherv3.Matcher_OnMatch{}
		action := func(name string) *xdsmatcherv3.Matcher_OnMatch {
			return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{
				Name: name, TypedConfig: anyOf(b.t, wrapperspb.String(name)),
			}}}
		}
		for _, h := range hosts {
			l.FilterChains = append(l.FilterChains, &listenerv3.FilterChain{Name: h, Filters: filters, TransportSocket: b.socket(bySDS(h))})
			exact[h] = action(h)
		}
		input := &xdscorev3.TypedExtensionConfig{Name: "sni", TypedConfig: anyOf(b.t, &networkv3.ServerNameInput{})}
		l.FilterChainMatcher = &xdsmatcherv3.Matcher{
			MatcherType: &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
				Input:    input,
				TreeType: &xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap{ExactMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: exact}},
			}},
			OnNoMatch: &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Matcher{Matcher: &xdsmatcherv3.Matcher{
				MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: &xdsmatcherv3.Matcher_MatcherList{Matchers: []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher{{
					Predicate: &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_NotMatcher{
						NotMatcher: &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
							SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
								Input: input,
								Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: &xdsmatcherv3.StringMatcher{
									MatchPattern: &xdsmatcherv3.StringMatcher_SafeRegex{SafeRegex: &xdsmatcherv3.RegexMatcher{
										EngineType: &xdsmatcherv3.RegexMatcher_GoogleRe2{GoogleRe2: &xdsmatcherv3.RegexMatcher_GoogleRE2{}}, Regex: ".+",
									}},
								}},
							},
						}},
					}},
					OnMatch: action("0.test"),
				}}}},
			}}},
		}
	})
}

func chainNames(b *bankHouse, hosts []string) {
	b.tlsListener(func(l *listenerv3.Listener, filters []*listenerv3.Filter) {
		l.FilterChains = nil
		for i, h := range hosts {
			names := []string{h}
			if i == 0 {
				names = append(names, fmt.Sprint("alias-", len(hosts), ".test"))
			}
			l.FilterChains = append(l.FilterChains, &listenerv3.FilterChain{
				Name: h, Filters: filters, TransportSocket: b.socket(bySDS(h)), FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: names},
			})
		}
	})
}
