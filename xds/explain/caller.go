package explain

import (
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// caller tells who may call a route, and what is asked of every request besides.
func caller(r *gateway.Route) string {
	text := "anybody may call it"
	if !r.Public {
		ways := make([]string, len(r.Ways))
		for i, way := range r.Ways {
			ways[i] = together(way)
		}
		text = "the caller needs " + strings.Join(slices.Compact(ways), ", or ")
		if onlyJWT(r) { // One way of saying it for what nearly every route has.
			text = "the caller needs a token of " + strings.ReplaceAll(strings.Join(ways, " or "), "a token of ", "")
		}
	}
	if len(r.Require) > 0 {
		names := make([]string, len(r.Require))
		for i, q := range r.Require {
			names[i] = q.Name
		}
		text += ", and must meet " + strings.Join(names, " and ")
	}
	return text
}

func onlyJWT(r *gateway.Route) bool {
	return !slices.ContainsFunc(r.Ways, func(w gateway.Way) bool { return len(w) != 1 || w[0].Kind != gateway.ByJWT })
}

// together tells all proofs of a way.
func together(way gateway.Way) string {
	parts := make([]string, len(way))
	for i := range way {
		parts[i] = proof(&way[i])
	}
	return strings.Join(parts, " and ")
}

// proof tells one proof.
func proof(p *gateway.ResolvedProof) string {
	var text string
	switch p.Kind {
	case gateway.ByJWT:
		text = "a token of " + p.Issuer.Name
	case gateway.ByIntrospection:
		text = "a token that " + p.Issuer.Name + " is asked about"
	case gateway.ByKey:
		text = "an API key"
	case gateway.ByCertificate:
		return "a client certificate" + named(p.Certificate)
	case gateway.ByNobody:
		return "nothing, and is " + p.Name
	}
	if len(p.Scopes) > 0 {
		text += " with scope " + strings.Join(p.Scopes, " ")
	}
	for _, c := range p.Claims {
		text += " with " + c.Name + " " + strings.Join(c.Values, " or ")
	}
	if p.Bound {
		text += " bound to its certificate"
	}
	return text
}

// named tells which certificates are taken.
func named(c *gateway.CertificateTest) string {
	names := slices.Concat(c.SPIFFE, c.DNS, c.Subject)
	if len(names) == 0 {
		return ""
	}
	return " of " + strings.Join(names, " or ")
}
