package translate

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// nativeWay is the part of a way that Envoy can judge by itself.
type nativeWay gateway.Way

// nativeWays returns what Envoy can judge of the ways of a route, in their order: everything of those that call nobody
// (gateway.Way.Calls), and of the others what is no key, no opaque token, and not the binding of a token to a certificate.
func nativeWays(r *gateway.Route) []nativeWay {
	out := make([]nativeWay, len(r.Ways))
	for i, way := range r.Ways {
		for _, p := range way {
			switch p.Kind {
			case gateway.ByJWT, gateway.ByCertificate, gateway.ByNobody:
				out[i] = append(out[i], p)
			}
		}
	}
	return out
}

// triedNatively returns the same in the order in which ways are tried.
func triedNatively(r *gateway.Route) []nativeWay {
	return nativeWays(&gateway.Route{Ways: gateway.TriedWays(r.Ways)})
}

// anybody reports whether Envoy asks nobody for anything on a way.
func (w nativeWay) anybody() bool {
	return !slices.ContainsFunc(w, func(p gateway.ResolvedProof) bool { return p.Kind != gateway.ByNobody })
}

// known holds when the proofs of a way say who calls. A token counts only where nothing stands beside it.
func (w nativeWay) known() *rbacconfigv3.Principal {
	var all []*rbacconfigv3.Principal
	for _, p := range w {
		switch p.Kind {
		case gateway.ByJWT:
			all = append(all, tokenOf(p.Issuer), soleToken())
		case gateway.ByCertificate:
			all = append(all, certificate(p.Certificate)...)
		}
	}
	if len(all) == 0 {
		return anybody()
	}
	return allOf(all)
}

// asked returns what must hold of a way besides.
func (w nativeWay) asked() []*rbacconfigv3.Principal {
	var all []*rbacconfigv3.Principal
	for _, p := range w {
		all = append(all, scopes(p)...)
		for _, c := range p.Claims {
			all = append(all, claimIs(c))
		}
	}
	return all
}

// scopes returns a condition for each scope of a proof by token.
func scopes(p gateway.ResolvedProof) []*rbacconfigv3.Principal {
	var all []*rbacconfigv3.Principal
	for _, scope := range p.Scopes {
		all = append(all, hasScope(scope))
	}
	return all
}

// hasScope holds when a scope is granted: in a space-delimited scope or scp claim (RFC 8693 4.2), or in a list.
func hasScope(scope string) *rbacconfigv3.Principal {
	word := text(expression("(?:.* )?" + regexp.QuoteMeta(scope) + "(?: .*)?"))
	listed := listHolding(exactly(scope))
	return anyOf([]*rbacconfigv3.Principal{
		claim(word, "scope"), claim(listed, "scope"), claim(word, "scp"), claim(listed, "scp"),
	})
}

// meets holds when a request meets a requirement.
func meets(r *gateway.Requirement) *rbacconfigv3.Principal {
	var all []*rbacconfigv3.Principal
	if len(r.Addresses) > 0 {
		var any []*rbacconfigv3.Principal
		for _, p := range r.Addresses {
			any = append(any, comesFrom(p))
		}
		all = append(all, anyOf(any))
	}
	for _, h := range r.Headers {
		all = append(all, headerIs(h))
	}
	for _, c := range r.Claims {
		all = append(all, claimIs(c))
	}
	return allOf(all)
}

// comesFrom holds when the client's address, as the Gateway's trust says, is in a network.
func comesFrom(p netip.Prefix) *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_RemoteIp{RemoteIp: cidr(p)}}
}

// openedFrom holds when the peer, who opened the connection, is in a network.
func openedFrom(p netip.Prefix) *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_DirectRemoteIp{DirectRemoteIp: cidr(p)}}
}

func cidr(p netip.Prefix) *corev3.CidrRange {
	return &corev3.CidrRange{AddressPrefix: p.Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(p.Bits()))}
}

// headerIs holds when a header has one of the values, in each of its lines if it has several, or is there.
func headerIs(h gateway.HeaderTest) *rbacconfigv3.Principal {
	if len(h.Values) == 0 {
		return headerThere(h.Name)
	}
	var any []*rbacconfigv3.Principal
	for _, v := range h.Values {
		any = append(any, header(h.Name, literally(v)))
	}
	return allOf([]*rbacconfigv3.Principal{anyOf(any), not(header(h.Name, expression(otherThan(h.Values))))})
}

// tokenOf holds when the token filter verified a token of an issuer, signed and called as the issuer's document says. Types are media
// types, which may be written without "application/" and in any case (RFC 7515 4.1.9).
func tokenOf(i *gateway.Issuer) *rbacconfigv3.Principal {
	all := []*rbacconfigv3.Principal{claim(exactly(i.Issuer), "iss")}
	of := func(field string, values []string, value func(string) *matcherValue) {
		var any []*matcherValue
		for _, v := range values {
			any = append(any, value(v))
		}
		if len(any) > 0 {
			all = append(all, metadata(envoy.MetadataJWT, oneOf(any), envoy.MetadataJWTHeader, field))
		}
	}
	of("alg", i.Algorithms, exactly)
	of("typ", i.Types, func(t string) *matcherValue {
		return text(expression("(?i)(?:application/)?" + regexp.QuoteMeta(strings.TrimPrefix(t, "application/"))))
	})
	return allOf(all)
}

// claim holds when a claim of the verified token is of a value.
func claim(value *matcherValue, path ...string) *rbacconfigv3.Principal {
	return metadata(envoy.MetadataJWT, value, append([]string{envoy.MetadataJWTClaims}, path...)...)
}
