package translate

import (
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	mtlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/principals/mtls_authenticated/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// certificate returns what must hold of a client's certificate: the listener verified it, and each list that is not empty holds
// one of its names.
func certificate(c *gateway.CertificateTest) []*rbacconfigv3.Principal {
	all := []*rbacconfigv3.Principal{verified(&mtlsv3.Config{AnyValidatedClientCertificate: true})}
	one := func(values []string, holds func(string) *rbacconfigv3.Principal) {
		var any []*rbacconfigv3.Principal
		for _, v := range values {
			any = append(any, holds(v))
		}
		if len(any) > 0 {
			all = append(all, anyOf(any))
		}
	}
	one(c.SPIFFE, func(v string) *rbacconfigv3.Principal { return named(tlsv3.SubjectAltNameMatcher_URI, spiffe(v)) })
	one(c.DNS, func(v string) *rbacconfigv3.Principal { return named(tlsv3.SubjectAltNameMatcher_DNS, dnsName(v)) })
	one(c.Subject, subject)
	return all
}

// subject holds when a certificate has a subject. Envoy compares names of every kind there, so that a name that is spelt like the
// subject is ruled out.
func subject(value string) *rbacconfigv3.Principal {
	anyName := &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_Authenticated_{
		Authenticated: &rbacconfigv3.Principal_Authenticated{PrincipalName: literally(value)},
	}}
	return allOf([]*rbacconfigv3.Principal{
		anyName,
		not(named(tlsv3.SubjectAltNameMatcher_URI, literally(value))),
		not(named(tlsv3.SubjectAltNameMatcher_DNS, literally(value))),
	})
}

// spiffe compares a SPIFFE id; a star at the end stands for the rest.
func spiffe(value string) *matcherv3.StringMatcher {
	if start, rest := strings.CutSuffix(value, "*"); rest {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: start}}
	}
	return literally(value)
}

// dnsName compares a DNS name, in which case does not matter (RFC 4343); a star at the beginning stands for one label.
func dnsName(value string) *matcherv3.StringMatcher {
	if rest, wild := strings.CutPrefix(value, "*."); wild {
		return expression(`(?i)[^.*]+\.` + regexp.QuoteMeta(rest))
	}
	m := literally(value)
	m.IgnoreCase = true
	return m
}

// named holds when a verified certificate has a name of a kind and of a form.
func named(kind tlsv3.SubjectAltNameMatcher_SanType, form *matcherv3.StringMatcher) *rbacconfigv3.Principal {
	return verified(&mtlsv3.Config{SanMatcher: &tlsv3.SubjectAltNameMatcher{SanType: kind, Matcher: form}})
}

func verified(c *mtlsv3.Config) *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_Custom{Custom: &corev3.TypedExtensionConfig{
		Name: "envoy.rbac.principals.mtls_authenticated", TypedConfig: packed(c),
	}}}
}
