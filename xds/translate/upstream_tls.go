package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// systemAuthorities is the name under which the authorities are delivered that the daemon's system trusts. No Certificate has it.
const systemAuthorities = "~system"

// upstreamSocket returns how endpoints are reached by TLS, nil for plain connections. What it shows and whom it believes comes by
// SDS: when these change, connections that there are stay.
func upstreamSocket(u *gateway.Upstream) *corev3.TransportSocket {
	t := u.TLS
	if t == nil {
		return nil
	}
	least := tlsv3.TlsParameters_TLSv1_2
	if t.Minimum == gateway.TLS13 {
		least = tlsv3.TlsParameters_TLSv1_3
	}
	common := &tlsv3.CommonTlsContext{
		TlsParams:     &tlsv3.TlsParameters{TlsMinimumProtocolVersion: least, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3},
		AlpnProtocols: []string{"http/1.1"},
	}
	if u.Protocol == gateway.HTTP2 {
		common.AlpnProtocols = []string{"h2"}
	}
	if t.Identity != "" {
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{{Name: t.Identity, SdsConfig: adsSource(endpointsTimeout)}}
	}
	if !t.Unverified {
		common.ValidationContextType = &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext: &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: subjectNames(t.Names)},
				ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{
					Name: trustName(u), SdsConfig: adsSource(endpointsTimeout),
				},
			},
		}
	}
	return &corev3.TransportSocket{
		Name: "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{
			TypedConfig: packed(&tlsv3.UpstreamTlsContext{Sni: t.SNI, CommonTlsContext: common}),
		},
	}
}

// subjectNames returns what a certificate must be good for, any one of it. Envoy compares an exact name as RFC 9525 6.3 says: a
// certificate's wildcard stands for one label.
func subjectNames(names []string) []*tlsv3.SubjectAltNameMatcher {
	var out []*tlsv3.SubjectAltNameMatcher
	for _, name := range names {
		m := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name}, IgnoreCase: false}
		if name[0] == '*' {
			m.MatchPattern = &matcherv3.StringMatcher_Suffix{Suffix: name[1:]}
		}
		out = append(out, &tlsv3.SubjectAltNameMatcher{SanType: tlsv3.SubjectAltNameMatcher_DNS, Matcher: m})
	}
	return out
}

// trustName returns the name under which the authorities of an upstream's endpoints are delivered. It stays when they change.
func trustName(u *gateway.Upstream) string {
	if len(u.TLS.Authority) == 0 {
		return systemAuthorities
	}
	return u.Name + "~endpoints"
}

// addTrust adds whom the clusters of a fleet believe, each once.
func (out *Resources) addTrust(b *builder) {
	known := map[string]bool{}
	for _, c := range out.Clusters {
		u := out.learnt.upstreams[c.Name]
		if u.TLS == nil || u.TLS.Unverified || known[trustName(u)] {
			continue
		}
		a := Authorities{Name: trustName(u), PEM: u.TLS.Authority}
		if u.TLS.TrustsSystem() && b.observed != nil {
			a.PEM, a.File = b.observed.Roots.PEM, b.observed.Roots.File
		}
		known[a.Name] = true
		out.Authorities, out.Origins[a.Name] = append(out.Authorities, a), u.Origin.At("tls")
	}
}

// showsToEndpoints reports whether some cluster shows a certificate to its endpoints.
func (out *Resources) showsToEndpoints(certificate string) bool {
	for _, u := range out.learnt.upstreams {
		if u.TLS != nil && u.TLS.Identity == certificate {
			return true
		}
	}
	return false
}
