package gateway

import (
	"cmp"
	"slices"
)

// ranks are the kinds of proofs, the first of which in a way says who calls: a token before a key, a key before a certificate.
func ranks() []ProofKind {
	return []ProofKind{ByJWT, ByIntrospection, ByKey, ByCertificate, ByNobody}
}

// Leads returns the proof of a way that says who calls. A way is never empty.
func (w Way) Leads() *ResolvedProof {
	return slices.MinFunc(pointers(w), func(a, b *ResolvedProof) int {
		return cmp.Compare(slices.Index(ranks(), a.Kind), slices.Index(ranks(), b.Kind))
	})
}

func pointers(w Way) []*ResolvedProof {
	out := make([]*ResolvedProof, len(w))
	for i := range w {
		out[i] = &w[i]
	}
	return out
}

// TriedWays returns the ways of a route in the order in which they are tried, the first that suffices says who calls: tokens before
// keys, keys before certificates, nobody in particular last, and of alike ways the one with more proofs first. The order of the
// document means nothing.
func TriedWays(ways []Way) []Way {
	sorted := slices.Clone(ways)
	slices.SortStableFunc(sorted, func(a, b Way) int {
		return cmp.Or(cmp.Compare(slices.Index(ranks(), a.Leads().Kind), slices.Index(ranks(), b.Leads().Kind)), cmp.Compare(len(b), len(a)))
	})
	return sorted
}

// EnvoyTells reports whether Envoy tells the upstream who calls; where it cannot know, the authorization service's answer does. It
// knows where it judges all, and where all ways are alike in what they say of a caller.
func (r *Route) EnvoyTells() bool {
	return !r.CallsAuthorization() || r.IdentityCalls() == "" && r.KnownAlike()
}

// KnownAlike reports whether callers of the route are known by the same kind of proof, whatever way they go, and those that stay
// anonymous by the same name.
func (r *Route) KnownAlike() bool {
	return !slices.ContainsFunc(r.Ways, func(w Way) bool {
		a, b := w.Leads(), r.Ways[0].Leads()
		return a.Kind != b.Kind || a.Name != b.Name
	})
}
