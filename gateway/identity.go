package gateway

import (
	"net/netip"
	"slices"
)

// Authenticate says who may be the caller: nobody in particular (None), or one of several proofs.
type Authenticate struct {
	None bool
	Any  []Proof
}

// Proof is one way to prove an identity. Exactly one of JWT, Introspection, Key, Certificate, Anonymous and All says which.
type Proof struct {
	JWT           string           `json:",omitempty"` // Name of the Issuer whose token Envoy verifies.
	Introspection string           `json:",omitempty"` // Name of the Issuer that is asked about an opaque token (RFC 7662).
	Key           *KeyPlace        `json:",omitempty"` // An API key.
	Certificate   *CertificateTest `json:",omitempty"` // A client certificate that the listener verified.
	Anonymous     string           `json:",omitempty"` // Nobody in particular, under this name.
	All           []Proof          `json:",omitempty"` // All of these together; none of them has All itself.

	Scopes []string    `json:",omitempty"` // Of a token or a key: all of them must be granted (RFC 9068 2.2.3).
	Claims []ClaimTest `json:",omitempty"` // Of a token: all of them must hold.
	Bound  bool        `json:",omitempty"` // The token must be bound to the client's certificate (RFC 8705 section 3).
}

// KeyPlace is where an API key stands in a request; exactly one field is set.
type KeyPlace struct {
	Header string `json:",omitempty"` // In lower case.
	Query  string `json:",omitempty"`
	Cookie string `json:",omitempty"`
}

// CertificateTest says which client certificates prove an identity: those of which every list that is not empty holds one.
type CertificateTest struct {
	SPIFFE  []string `json:",omitempty"` // SPIFFE ids (URI names); a trailing "*" stands for the rest.
	DNS     []string `json:",omitempty"` // DNS names; a leading "*." stands for one label.
	Subject []string `json:",omitempty"` // Subjects, byte for byte as Envoy writes them (RFC 2253).
}

// ClaimTest holds where a claim is one of Values, or is a list that holds one of them. A boolean or a number is compared with
// values that are written as JSON writes it.
type ClaimTest struct {
	Name   string // Path of the claim, dots between: "realm_access.roles".
	Values []string
}

// Way is one set of proofs that suffices: all of them together.
type Way []ResolvedProof

// ResolvedProof is a Proof whose Issuer is resolved.
type ResolvedProof struct {
	Kind        ProofKind
	Issuer      *Issuer          // Of a JWT or an introspected token.
	Key         *KeyPlace        // Of a key.
	Certificate *CertificateTest // Of a certificate.
	Name        string           // Of the anonymous caller.
	Scopes      []string         // Sorted.
	Claims      []ClaimTest
	Bound       bool
}

// ProofKind is what kind of proof a caller shows.
type ProofKind string

// The kinds of proofs.
const (
	ByJWT           ProofKind = "jwt"
	ByIntrospection ProofKind = "introspection"
	ByKey           ProofKind = "key"
	ByCertificate   ProofKind = "certificate"
	ByNobody        ProofKind = "anonymous"
)

// Issuers returns the issuers of whose tokens some way of the route has a proof of a kind, each once.
func (r *Route) Issuers(kind ProofKind) []*Issuer {
	var issuers []*Issuer
	for _, way := range r.Ways {
		for _, p := range way {
			if p.Kind == kind && !slices.Contains(issuers, p.Issuer) {
				issuers = append(issuers, p.Issuer)
			}
		}
	}
	return issuers
}

// TakesToken reports whether every caller of the route shows a token that Envoy verifies.
func (r *Route) TakesToken() bool {
	return len(r.Ways) > 0 && !slices.ContainsFunc(r.Ways, func(w Way) bool {
		return !slices.ContainsFunc(w, func(p ResolvedProof) bool { return p.Kind == ByJWT })
	})
}

// IdentityCalls returns why Envoy cannot tell by itself who calls, empty where it can: keys and opaque tokens are known to
// Gatehouse alone, and Envoy cannot compare a token with a certificate.
func (r *Route) IdentityCalls() string {
	for _, way := range r.Ways {
		if why := way.Calls(); why != "" {
			return why
		}
	}
	return ""
}

// Calls returns why Envoy cannot judge by itself whether a caller goes this way, empty where it can.
func (w Way) Calls() string {
	for _, p := range w {
		switch {
		case p.Kind == ByKey:
			return "API keys"
		case p.Kind == ByIntrospection:
			return "tokens of " + p.Issuer.Name + ", which have to be asked about"
		case p.Bound:
			return "tokens of " + p.Issuer.Name + " bound to certificates"
		}
	}
	return ""
}

// Requirement is a condition on requests that Envoy decides by itself: all of its lists that are not empty must hold.
type Requirement struct {
	Name      string         // What a refusal gives as its reason.
	Addresses []netip.Prefix `json:",omitempty"` // The client's address is in one of them.
	Headers   []HeaderTest   `json:",omitempty"` // All of them hold.
	Claims    []ClaimTest    `json:",omitempty"` // All of them hold of the verified token.
}

// HeaderTest holds where a header has one of Values, or is there at all where there are none.
type HeaderTest struct {
	Name   string // In lower case.
	Values []string
}
