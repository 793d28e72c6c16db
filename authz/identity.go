package authz

import (
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/gateway"
)

// identity is who the caller proved to be. It is made for one request and not changed after its proof.
type identity struct {
	kind        gateway.ProofKind
	issuer      string // iss, of a token.
	consumer    string // Subject of a token, id of a credential, SPIFFE id, name or subject of a certificate, name of who stays anonymous.
	application string
	plan        string
	claims      *structpb.Struct // Of a token.
	granted     []string         // Scopes of a key.
}

// ofToken returns the identity that the claims of a token prove: its subject, or where it has none the client that it was
// issued to (RFC 9068 2.2, RFC 7662 2.2).
func ofToken(kind gateway.ProofKind, claims *structpb.Struct) *identity {
	id := &identity{kind: kind, claims: claims}
	id.issuer = id.text("iss")
	id.application = id.text("client_id")
	if id.application == "" {
		id.application = id.text("azp")
	}
	id.consumer = id.text("sub")
	if id.consumer == "" {
		id.consumer = id.application
	}
	return id
}

// text returns a claim that is a string, or "".
func (id *identity) text(claim string) string { return id.claims.GetFields()[claim].GetStringValue() }

// scopes yields what was granted to a key, and the scopes of a token: its scope claim (RFC 9068, section 2.2.3), and scp, which
// some issuers write instead; each a text with spaces between, or a list.
func (id *identity) scopes() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, scope := range id.granted {
			if !yield(scope) {
				return
			}
		}
		for _, claim := range [...]string{"scope", "scp"} {
			if !id.words(claim, yield) {
				return
			}
		}
	}
}

// words yields the words of a claim that is a text with spaces between, or a list of texts. It returns false when told to stop.
func (id *identity) words(claim string, yield func(string) bool) bool {
	value := id.claims.GetFields()[claim]
	for word := range strings.FieldsSeq(value.GetStringValue()) {
		if !yield(word) {
			return false
		}
	}
	for _, element := range value.GetListValue().GetValues() {
		if word := element.GetStringValue(); word != "" && !yield(word) {
			return false
		}
	}
	return true
}

// roles yields the roles that a token's claim roles holds (RFC 9068, section 2.2.3.1): a text, or a list of texts.
func (id *identity) roles() iter.Seq[string] {
	return func(yield func(string) bool) {
		value := id.claims.GetFields()["roles"]
		if role := value.GetStringValue(); role != "" && !yield(role) {
			return
		}
		for _, element := range value.GetListValue().GetValues() {
			if role := element.GetStringValue(); role != "" && !yield(role) {
				return
			}
		}
	}
}

// holds reports whether a scope was granted.
func (id *identity) holds(scope string) bool {
	for s := range id.scopes() {
		if s == scope {
			return true
		}
	}
	return false
}

// lacks reports whether one of the scopes was not granted.
func (id *identity) lacks(scopes []string) bool {
	return slices.ContainsFunc(scopes, func(scope string) bool { return !id.holds(scope) })
}

// with returns the identity that two proofs of one caller give: the first says who it is, the second what the first leaves open.
func (id *identity) with(other *identity) *identity {
	if id == nil {
		return other
	}
	both := *id
	if both.application == "" {
		both.application = other.application
	}
	if both.plan == "" {
		both.plan = other.plan
	}
	if both.claims == nil {
		both.claims = other.claims
	}
	both.granted = slices.Concat(id.granted, other.granted)
	return &both
}

// record returns the identity as a decision's record holds it.
func (id *identity) record() *gateway.Identity {
	if id == nil {
		return nil
	}
	return &gateway.Identity{
		Kind: id.kind, Consumer: id.consumer, Issuer: id.issuer, Application: id.application, Plan: id.plan,
		Scopes: slices.Collect(id.scopes()),
	}
}
