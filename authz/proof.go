package authz

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

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
	keys          Keys
	introspection Introspection
	certificates  *certificates
	guesses       *guesses
}

// way is a set of proofs that suffices, the cheapest to look at first.
type way struct {
	proofs    []proof
	anonymous bool // Nobody has to prove anything.
}

// verdict says how far a proof got. Of several failures the one with the highest verdict is told.
type verdict int

const (
	missing      verdict = iota // Nothing was shown.
	invalid                     // What was shown proves nothing: 401.
	lockedOut                   // Too much was guessed from there: 429.
	insufficient                // The proof is good, and not enough: 403.
	unknown                     // Nobody can tell now: 503.
)

// failure is why a proof is none. Most are made once for each route.
type failure struct {
	verdict   verdict
	reason    string // A stable word, told to the caller.
	detail    string // A sentence, told to the caller.
	challenge string // Of a failure of its own kind; empty: the route's.
	wait      time.Duration
	cause     string // For the record alone; empty: the reason.
	silent    bool   // What was shown is shown with every request, such as a certificate: the caller may still be anonymous.
}

// newWay returns how a way is looked at. What Envoy has verified already comes first, what may need a call last; of those the
// first gives the identity, so that a token counts over a key, and a key over a certificate, in whichever order they are written.
func newWay(w gateway.Way, realm string) way {
	sorted := slices.Clone(w)
	slices.SortStableFunc(sorted, func(a, b gateway.ResolvedProof) int { return cmp.Compare(rank(a.Kind), rank(b.Kind)) })
	var out way
	for _, p := range sorted {
		switch p.Kind {
		case gateway.ByJWT:
			out.proofs = append(out.proofs, newVerified(p, realm))
		case gateway.ByKey:
			out.proofs = append(out.proofs, newKeyProof(p))
		case gateway.ByCertificate:
			out.proofs = append(out.proofs, newCertificateProof(p))
		case gateway.ByIntrospection:
			out.proofs = append(out.proofs, newIntrospected(p, realm))
		default:
			out.proofs = append(out.proofs, anonymous{p.Name})
			out.anonymous = true
		}
	}
	return out
}

// rank orders the kinds of proofs. Introspection comes last, as it may wait for somebody; its identity counts before that of keys.
func rank(kind gateway.ProofKind) int {
	return slices.Index([]gateway.ProofKind{gateway.ByJWT, gateway.ByKey, gateway.ByCertificate, gateway.ByNobody, gateway.ByIntrospection}, kind)
}

// prove returns the identity that all proofs of a way give together, or why there is none.
func (w way) prove(ctx context.Context, r *request, by *witnesses) (*identity, *failure) {
	var whole *identity
	for _, p := range w.proofs {
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

// newWays returns the ways of a route in the order in which they are tried: what proves most first, nobody in particular last.
// The order of the document means nothing.
func newWays(ways []gateway.Way, realm string) []way {
	sorted := slices.Clone(ways)
	best := func(w gateway.Way) int {
		least := len(w)
		for i, p := range w {
			if at := evidence​Rank(p.Kind); i == 0 || at < least {
				least = at
			}
		}
		return least
	}
	slices.SortStableFunc(sorted, func(a, b gateway.Way) int {
		return cmp.Or(cmp.Compare(best(a), best(b)), cmp.Compare(len(b), len(a)))
	})
	out := make([]way, len(sorted))
	for i, w := range sorted {
		out[i] = newWay(w, realm)
	}
	return out
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
