package gateway

import (
	"fmt"
	"slices"
)

// ways returns the sets of proofs of which one suffices.
func (a *assembler) ways(api *API, auth *Authenticate, field string) []Way {
	var ways []Way
	for i, p := range auth.Any {
		place := fmt.Sprintf("%s.any[%d]", field, i)
		if p.All == nil {
			if proof, ok := a.proof(api, p, place); ok {
				ways = append(ways, Way{proof})
			}
			continue
		}
		var way Way
		for j, part := range p.All {
			if proof, ok := a.proof(api, part, fmt.Sprintf("%s.all[%d]", place, j)); ok {
				way = append(way, proof)
			}
		}
		if len(way) == len(p.All) {
			ways = append(ways, way)
		}
	}
	return ways
}

// proof resolves one proof. ok is false where its Issuer is missing.
func (a *assembler) proof(api *API, p Proof, place string) (out ResolvedProof, ok bool) {
	out = ResolvedProof{Key: p.Key, Certificate: p.Certificate, Name: p.Anonymous, Claims: p.Claims, Bound: p.Bound}
	out.Scopes = slices.Compact(slices.Sorted(slices.Values(p.Scopes)))
	switch {
	case p.JWT != "":
		out.Kind = ByJWT
		out.Issuer, ok = a.issuer(api, p.JWT, place+".jwt")
		if ok && len(out.Issuer.KeySet) == 0 && out.Issuer.KeyFile == "" && out.Issuer.Introspection != nil {
			a.apiFault(api, CodeIssuerProof, place+".jwt", "Issuer %s has no key set by which tokens are verified: write introspection: %[1]s, or add jwks to the Issuer", p.JWT)
			ok = false
		}
		return out, ok
	case p.Introspection != "":
		out.Kind = ByIntrospection
		out.Issuer, ok = a.issuer(api, p.Introspection, place+".introspection")
		if ok && out.Issuer.Introspection == nil {
			a.apiFault(api, CodeIssuerProof, place+".introspection", "Issuer %s cannot be asked about tokens: write jwt: %[1]s, or add introspection to the Issuer", p.Introspection)
			ok = false
		}
		return out, ok
	case p.Key != nil:
		out.Kind = ByKey
	case p.Certificate != nil:
		out.Kind = ByCertificate
	default:
		out.Kind = ByNobody
	}
	return out, true
}

func (a *assembler) issuer(api *API, name, place string) (*Issuer, bool) {
	issuer, ok := lookup(a, api, KindIssuer, func(o objects) map[string]*Issuer { return o.issuers }, name, place)
	if ok {
		a.checkShared(api, Ref{Kind: KindIssuer, Name: issuer.Name}, issuer.Team, issuer.Shared, place)
	}
	return issuer, ok
}
