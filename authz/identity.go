package authz

import (
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// identity is who the caller proved to be: the claims of a token that Envoy verified.
type identity struct {
	issuer string
	claims *structpb.Struct
}

// proof is one way to be a caller of a route.
type proof struct {
	issuer    string // The iss claim.
	scopes    []string
	challenge string // WWW-Authenticate where only scopes are missing.
}

// verified returns the claims of the token that Envoy's jwt_authn verified, or nil where there was none.
func (r *request) verified() *identity {
	metadata := r.attributes.GetMetadataContext().GetFilterMetadata()[envoy.MetadataJWT]
	claims := metadata.GetFields()[envoy.MetadataJWTClaims].GetStructValue()
	if claims == nil {
		return nil
	}
	id := &identity{claims: claims}
	id.issuer = id.text("iss")
	return id
}

// text returns a claim that is a string, or "".
func (id *identity) text(claim string) string { return id.claims.GetFields()[claim].GetStringValue() }

// scopes yields the scopes of the token: its scope claim (RFC 9068, section 2.2.3), and scp, which some issuers write
// instead; each a text with spaces between, or a list.
func (id *identity) scopes() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, claim := range [...]string{"scope", "scp"} {
			value := id.claims.GetFields()[claim]
			for scope := range strings.FieldsSeq(value.GetStringValue()) {
				if !yield(scope) {
					return
				}
			}
			for _, element := range value.GetListValue().GetValues() {
				if scope := element.GetStringValue(); scope != "" && !yield(scope) {
					return
				}
			}
		}
	}
}

// holds reports whether the token has a scope.
func (id *identity) holds(scope string) bool {
	for s := range id.scopes() {
		if s == scope {
			return true
		}
	}
	return false
}

// identify finds the proof that the caller gave and notes the identity in the request. Where none suffices it returns the
// denial; nil means go on.
func (r *request) identify() *decision {
	if len(r.rules.proofs) == 0 && r.rules.public {
		return nil
	}
	id := r.verified()
	missing := ""
	for _, p := range r.rules.proofs {
		if id == nil || id.issuer != p.issuer {
			continue
		}
		if !slices.ContainsFunc(p.scopes, func(scope string) bool { return !id.holds(scope) }) {
			r.identity = id
			return nil
		}
		if missing == "" {
			missing = p.challenge
		}
	}
	switch {
	case r.rules.public:
		return nil
	case missing != "":
		return refuse(Forbidden, 403, gateway.ProblemForbidden, "The token lacks a scope that this operation needs.",
			header{"www-authenticate", missing})
	case id != nil:
		return refuse(Unauthenticated, 401, gateway.ProblemUnauthorized, "The token's issuer is not one that this operation accepts.",
			header{"www-authenticate", r.rules.challenge + `, error="invalid_token"`})
	}
	return refuse(Unauthenticated, 401, gateway.ProblemUnauthorized, "A token is needed.",
		header{"www-authenticate", r.rules.challenge})
}

// challenge returns the WWW-Authenticate header for a route (RFC 6750, section 3).
func challenge(realm string) string { return "Bearer realm=" + quote(realm) }

// scopeChallenge returns the WWW-Authenticate header that names the scopes a token needs (RFC 6750, section 3.1).
func scopeChallenge(realm string, scopes []string) string {
	return challenge(realm) + `, error="insufficient_scope", scope=` + quote(strings.Join(scopes, " "))
}

// quote returns a quoted-string (RFC 9110, section 5.6.4) of the printable ASCII characters of text.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' || c > '~':
			continue
		case c == '"' || c == '\\':
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	b.WriteByte('"')
	return b.String()
}
