package translate

import (
	"net/netip"
	"regexp"

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

// known holds when the proofs of a way say who calls.
func (w nativeWay) known() *rbacconfigv3.Principal {
	var all []*rbacconfigv3.Principal
	for _, p := range w {
		switch p.Kind {
		case gateway.ByJWT:
			all = append(all, claim(exactly(p.Issuer.Issuer), "iss"))
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
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_RemoteIp{RemoteIp: &corev3.CidrRange{
		AddressPrefix: p.Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(p.Bits())),
	}}}
}

// headerIs holds when a header has one of the values, or is there. Of a header that comes several times Envoy compares all values
// together, with commas between, so that such a request has none of them.
func headerIs(h gateway.HeaderTest) *rbacconfigv3.Principal {
	if len(h.Values) == 0 {
		return headerThere(h.Name)
	}
	var any []*rbacconfigv3.Principal
	for _, v := range h.Values {
		any = append(any, header(h.Name, literally(v)))
	}
	return anyOf(any)
}

// soleToken holds when the Authorization header is one token and nothing else. Envoy's token filter takes the first token that
// it finds anywhere in the header, or in one of several; a policy or an upstream may take another, which nobody verified.
func soleToken() *rbacconfigv3.Principal {
	return header(headerAuthorization, expression(bearer+`[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+`))
}

// claim holds when a claim of the verified token is of a value.
func claim(value *matcherValue, path ...string) *rbacconfigv3.Principal {
	return metadata(envoy.MetadataJWT, value, append([]string{envoy.MetadataJWTClaims}, path...)...)
}
