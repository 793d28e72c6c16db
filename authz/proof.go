package authz

import (
	"cmp"
	"context"
	"slices"

	"github.com/gatehouse/gatehouse/authz/introspect"
	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/gateway"
)

// Keys knows API keys.
type Keys interface {
	// Find returns what is known of a key by its text. The error is one of keys, or tells that it cannot be known now.
	Find(text string) (keys.Key, error)
}

// Introspection asks issuers about tokens.
type Introspection interface {
	// Recall returns what is remembered of a token; ok is false where that is nothing.
	Recall(of *introspect.Endpoint, token string) (a introspect.Answer, ok bool)
	// Ask returns what is remembered of a token, or what its issuer says. An error tells that nobody knows now.
	Ask(ctx context.Context, of *introspect.Endpoint, token string) (introspect.Answer, error)
}

// proof is one thing by which a caller proves who it is. It holds what the route's document says, and nothing of a request.
type proof interface {
	// prove returns the identity that a request proves, or why it proves none.
	prove(ctx context.Context, r *request, w *witnesses) (*identity, *failure)
}

// witnesses are those who know whom a proof is of, beside Envoy.
type witnesses struct {
	keys          Keys          // nil: nobody knows keys.
	introspection Introspection // nil: nobody is asked.
	certificates  *certificates
	guesses       *guesses
}

// verdict says how far a proof got. Of several failures the one with the highest verdict is told.
type verdict int

const (
	nothingShown verdict = iota // 401.
	nothingGood                 // What was shown proves nothing: 401.
	guessedMuch                 // Too much was guessed from there: 429.
	notEnough                   // The proof is good, and more is needed: 403.
	nobodyKnows                 // Nobody can tell now: 503.
)

// failure is why a proof is none. Most are made once for each route.
type failure struct {
	verdict   verdict
	reason    string // A stable word, told to the caller.
	detail    string // A sentence, told to the caller.
	challenge string // Of this failure; empty: the route's.
	wait      int    // Seconds until it is worth to try again.
	silent    bool   // What was shown comes with the connection, not with the request: the caller may still stay anonymous.
}

// way is a set of proofs that suffices together, the cheapest to look at first.
type way []proof

// rank orders the kinds of proofs, by what they cost. Introspection comes last, as it may wait for somebody.
func rank(kind gateway.ProofKind) int {
	return slices.Index([]gateway.ProofKind{gateway.ByJWT, gateway.ByKey, gateway.ByCertificate, gateway.ByNobody, gateway.ByIntrospection}, kind)
}

// newWays returns the ways of a route in the order in which they are tried (gateway.TriedWays).
func newWays(ways []gateway.Way, realm string) []way {
	out := make([]way, len(ways))
	for i, w := range gateway.TriedWays(ways) {
		out[i] = newWay(w, realm)
	}
	return out
}

// newWay returns how a way is looked at.
func newWay(w gateway.Way, realm string) way {
	sorted := slices.Clone(w)
	slices.SortStableFunc(sorted, func(a, b gateway.ResolvedProof) int { return cmp.Compare(rank(a.Kind), rank(b.Kind)) })
	out := make(way, len(sorted))
	for i, p := range sorted {
		switch p.Kind {
		case gateway.ByJWT:
			out[i] = newVerifiedToken(p, realm)
		case gateway.ByIntrospection:
			out[i] = newOpaqueToken(p, realm)
		case gateway.ByKey:
			out[i] = &keyProof{place: *p.Key, scopes: p.Scopes}
		case gateway.ByCertificate:
			out[i] = &certificateProof{*p.Certificate}
		case gateway.ByNobody:
			out[i] = anonymous{p.Name}
		}
	}
	return out
}

// prove returns the identity that all proofs of a way give together, or why there is none. A token says who calls, before a key,
// before a certificate.
func (w way) prove(ctx context.Context, r *request, by *witnesses) (*identity, *failure) {
	var whole *identity
	for _, p := range w {
		id, f := p.prove(ctx, r, by)
		switch {
		case f != nil:
			return nil, f
		case whole != nil && id.kind == gateway.ByIntrospection && whole.kind != gateway.ByJWT:
			whole = id.with(whole)
		default:
			whole = whole.with(id)
		}
	}
	return whole, nil
}
