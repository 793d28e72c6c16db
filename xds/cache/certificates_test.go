package cache

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
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
}

func tlsWays() []tlsWay {
	return []tlsWay{
		{"one chain, certificates on demand by SNI", onDemand},
		{"one chain for each certificate, chosen by a matcher", chainEach},
		{"one chain for each certificate, chosen by server_names", chainNames},
	}
}

// TestEnvoyTakesANewCertificate measures what a host with a certificate of its own costs the connections of other hosts. The
// decision that rests on it is ADR 11.
func TestEnvoyTakesANewCertificate(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	for _, way := range tlsWays() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, Settings{})
			b := newBankHouse(t, s)
			plain := b.items[TypeListener+" http"]
			at := func(n int) {
				var hosts []string
				for i := range n {
					hosts = append(hosts, fmt.Sprint(i, ".test"))
				}
				b.items[TypeListener+" http"] = plain
				for _, h := range hosts {
					b.secret(h)
				}
				way.apply(b, hosts)
			}
			at(1)
			s.Use(b.snapshot())
			b.join(s)
			b.awaits(s)
			watched, err := b.handshake("0.test")
			if err != nil {
				t.Fatal(err)
			}
			ask(t, watched, "0.test")
			for _, n := range []int{2, 3, 20, 200} {
				before := s.Counters()
				at(n)
				began := time.Now()
				b.uses(s)
				used := time.Since(began)
				sent, bytes := spent(s, before)
				began = time.Now()
				c, err := b.handshake(fmt.Sprint(n-1, ".test"))
				if err != nil {
					t.Fatalf("the new host: %v", err)
				}
				first := time.Since(began)
				ask(t, c, fmt.Sprint(n-1, ".test"))
				t.Logf("%d hosts: %s, %d bytes in %v, first handshake of the new host %v", n, sent, bytes, used, first)
				ask(t, watched, "0.test")
				stats, err := envoy.NewAdmin(filepath.Join(b.dir, "e", "admin.sock")).Stats(t.Context(),
					`^(listener_manager\.(listener_in_place_updated|total_filter_chains_draining|total_listeners_draining)|server.memory_allocated)$`)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d hosts: %v", n, stats)
			}
			before := s.Counters()
			began := time.Now()
			for i := range 200 {
				if c, err := b.handshake(fmt.Sprint("stranger-", i, ".test")); err == nil {
					t.Errorf("a host that nobody serves gets a certificate: %v", c.ConnectionState().PeerCertificates[0].DNSNames)
				}
			}
			after := s.Counters()
			t.Logf("200 hosts that nobody serves: %v, %d responses for secrets", time.Since(began), after[secrets].Responses-before[secrets].Responses)
			if c, err := b.handshake(""); err != nil {
				t.Logf("without SNI: %v", err)
			} else {
				t.Logf("without SNI: %v", c.ConnectionState().PeerCertificates[0].DNSNames)
			}
		})
	}
}

// handshake opens a connection with a server name.
func (b *bankHouse) handshake(name string) (*tls.Conn, error) {
	raw, err := net.Dial("unix", filepath.Join(b.dir, "http"))
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() { _ = raw.Close() })
	c := tls.Client(raw, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	return c, c.HandshakeContext(ctx)
}

// ask sends a request on a connection and reports whether the connection is to be closed.
func ask(t *testing.T, c *tls.Conn, host string) (closing bool) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nhost: %s\r\n\r\n", host); err != nil {
		return true
	}
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		t.Logf("lost: %v", err)
		return true
	}
	text := string(buf[:n])
	if !strings.HasPrefix(text, "HTTP/1.1 200") {
		t.Errorf("%s: %q", host, text)
	}
	return strings.Contains(strings.ToLower(text), "connection: close")
}

var _ = http.StatusOK

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

func anyOf(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return a
}

func (b *bankHouse) tlsListener(change func(l *listenerv3.Listener, filters []*listenerv3.Filter)) {
	l := proto.CloneOf(b.items[TypeListener+" http"].Message.(*listenerv3.Listener))
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: anyOf(&inspectorv3.TlsInspector{})},
	}}
	change(l, l.FilterChains[0].Filters)
	b.put(l)
}

func socketOf(common *tlsv3.CommonTlsContext) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: "envoy.transport_sockets.tls", ConfigType: &corev3.TransportSocket_TypedConfig{
		TypedConfig: anyOf(&tlsv3.DownstreamTlsContext{
			CommonTlsContext: common, DisableStatefulSessionResumption: true,
			SessionTicketKeysType: &tlsv3.DownstreamTlsContext_DisableStatelessSessionResumption{DisableStatelessSessionResumption: true},
		}),
	}}
}

func onDemand(b *bankHouse, _ []string) {
	b.tlsListener(func(l *listenerv3.Listener, filters []*listenerv3.Filter) {
		l.FilterChains = []*listenerv3.FilterChain{{Name: "all", Filters: filters, TransportSocket: socketOf(&tlsv3.CommonTlsContext{
			CustomTlsCertificateSelector: &corev3.TypedExtensionConfig{Name: "envoy.tls.certificate_selectors.on_demand_secret", TypedConfig: anyOf(&demandv3.Config{
				ConfigSource:      ads(),
				CertificateMapper: &corev3.TypedExtensionConfig{Name: "envoy.tls.certificate_mappers.sni", TypedConfig: anyOf(&sniv3.SNI{DefaultValue: "0.test"})},
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
				Name: name, TypedConfig: anyOf(wrapperspb.String(name)),
			}}}
		}
		for _, h := range hosts {
			l.FilterChains = append(l.FilterChains, &listenerv3.FilterChain{Name: h, Filters: filters, TransportSocket: socketOf(bySDS(h))})
			exact[h] = action(h)
		}
		input := &xdscorev3.TypedExtensionConfig{Name: "sni", TypedConfig: anyOf(&networkv3.ServerNameInput{})}
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
				Name: h, Filters: filters, TransportSocket: socketOf(bySDS(h)), FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: names},
			})
		}
	})
}

var _ = strconv.Itoa
