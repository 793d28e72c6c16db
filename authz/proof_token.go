package authz

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/authz/introspect"
	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// maxToken bounds a token that an issuer is asked about, in bytes. Envoy takes headers of up to 60 KiB together.
const maxToken = 16 << 10

// tokenTest is what is asked of a token beyond that it is good, and what is answered where it does not hold.
type tokenTest struct {
	scopes  []string
	claims  []gateway.ClaimTest
	bound   bool
	absent  *failure
	bad     *failure
	unbound *failure
	lacking *failure
	refused *failure
}

func newTokenTest(p gateway.ResolvedProof, realm string) tokenTest {
	invalid := invalidChallenge(realm)
	return tokenTest{
		scopes: p.Scopes, claims: p.Claims, bound: p.Bound,
		absent:  &failure{verdict: nothingShown, reason: "token-missing", detail: "A token is needed."},
		bad:     &failure{verdict: nothingGood, reason: "token-invalid", detail: "The token is not good.", challenge: invalid},
		unbound: &failure{verdict: nothingGood, reason: "token-unbound", detail: "The token is not bound to the certificate of this connection.", challenge: invalid},
		lacking: &failure{verdict: notEnough, reason: "scope-missing", detail: "The token lacks a scope that this operation needs.", challenge: scopeChallenge(realm, p.Scopes)},
		refused: &failure{verdict: notEnough, reason: "claim-refused", detail: "The token lacks a claim that this operation needs."},
	}
}

// judge returns why a good token does not suffice; nil where it does.
func (t *tokenTest) judge(id *identity, r *request, w *witnesses) *failure {
	switch {
	case t.bound && !w.certificates.binds(id.claims, r):
		return t.unbound
	case id.lacks(t.scopes):
		return t.lacking
	case slices.ContainsFunc(t.claims, func(c gateway.ClaimTest) bool { return !claimHolds(id.claims, c) }):
		return t.refused
	}
	return nil
}

// claimHolds reports whether a claim is one of the values, or a list that holds one of them. A name with dots in it is looked for
// as it is where the path of it leads nowhere.
func claimHolds(claims *structpb.Struct, test gateway.ClaimTest) bool {
	value := claims.GetFields()[test.Name]
	at, path := claims, test.Name
	for {
		name, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			if v := at.GetFields()[name]; v != nil {
				value = v
			}
			break
		}
		at, path = at.GetFields()[name].GetStructValue(), rest
	}
	is := func(v *structpb.Value) bool {
		switch v := v.GetKind().(type) {
		case *structpb.Value_StringValue:
			return slices.Contains(test.Values, v.StringValue)
		case *structpb.Value_BoolValue:
			return slices.Contains(test.Values, strconv.FormatBool(v.BoolValue))
		case *structpb.Value_NumberValue:
			return slices.Contains(test.Values, strconv.FormatFloat(v.NumberValue, 'f', -1, 64))
		}
		return false
	}
	return is(value) || slices.ContainsFunc(value.GetListValue().GetValues(), is)
}

// verifiedToken is the proof by a token that Envoy has verified.
type verifiedToken struct {
	issuer  string // The iss claim.
	foreign *failure
	tokenTest
}

func newVerifiedToken(p gateway.ResolvedProof, realm string) *verifiedToken {
	return &verifiedToken{issuer: p.Issuer.Issuer, tokenTest: newTokenTest(p, realm), foreign: &failure{
		verdict: nothingGood, reason: "token-issuer", detail: "The token's issuer is not one that this operation accepts.", challenge: invalidChallenge(realm),
	}}
}

func (p *verifiedToken) prove(_ context.Context, r *request, w *witnesses) (*identity, *failure) {
	id := r.verified()
	switch {
	case id != nil && id.issuer == p.issuer:
		if f := p.judge(id, r, w); f != nil {
			return nil, f
		}
		return id, nil
	case id != nil:
		return nil, p.foreign
	case r.bearer() == "":
		return nil, p.absent
	}
	return nil, p.bad
}

// verified returns the identity by the token that Envoy's jwt_authn verified, or nil where there was none.
func (r *request) verified() *identity {
	metadata := r.attributes.GetMetadataContext().GetFilterMetadata()[envoy.MetadataJWT]
	claims := metadata.GetFields()[envoy.MetadataJWTClaims].GetStructValue()
	if claims == nil {
		return nil
	}
	return ofToken(gateway.ByJWT, claims)
}

// bearer returns what stands behind the word Bearer in the Authorization header (RFC 6750, section 2.1), whatever it is; "" where
// nothing does. The word may be written in any case (RFC 9110, section 11.1).
func (r *request) bearer() string {
	scheme, token, _ := strings.Cut(r.header("authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// isBearer reports whether text is a token (RFC 6750, section 2.1: b64token). What several headers together give is none.
func isBearer(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := range len(body) {
		c := body[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("-._~+/", c) < 0 {
			return false
		}
	}
	return body != "" && len(text) <= maxToken
}

// isKey reports whether text is an API key, good or not.
func isKey(text string) bool {
	_, err := keys.ID(text)
	return err == nil
}

// opaqueToken is the proof by a token of which its issuer is asked.
type opaqueToken struct {
	from   *introspect.Endpoint
	issuer string // Its iss, where the answer does not say one.
	away   *failure
	tokenTest
}

func newOpaqueToken(p gateway.ResolvedProof, realm string) *opaqueToken {
	return &opaqueToken{
		from: introspect.NewEndpoint(p.Issuer), issuer: p.Issuer.Issuer, tokenTest: newTokenTest(p, realm),
		away: &failure{verdict: nobodyKnows, reason: "issuer-away", detail: "The issuer of the token cannot be asked now.", wait: 1},
	}
}

func (p *opaqueToken) prove(ctx context.Context, r *request, w *witnesses) (*identity, *failure) {
	token := r.bearer()
	switch {
	case token == "":
		return nil, p.absent
	case !isBearer(token), isKey(token): // A key is nobody else's business.
		return nil, p.bad
	case w.introspection == nil:
		return nil, p.away
	}
	if id := r.verified(); id != nil && id.issuer != p.issuer {
		return nil, p.bad // It is another issuer's, whose token is nobody else's business.
	}
	answer, known := w.introspection.Recall(p.from, token)
	if !known {
		from := addressOf(ctx, r)
		if f := w.guesses.locked(from); f != nil {
			return nil, f
		}
		var err error
		if answer, err = w.introspection.Ask(ctx, p.from, token); err != nil {
			return nil, p.away
		}
		if !answer.Active {
			w.guesses.wrong(from, "", token)
		}
	}
	if !answer.Active {
		return nil, p.bad
	}
	id := ofToken(gateway.ByIntrospection, answer.Claims)
	if id.issuer == "" {
		id.issuer = p.issuer
	}
	if f := p.judge(id, r, w); f != nil {
		return nil, f
	}
	return id, nil
}

// anonymous is the proof of a caller who is nobody in particular.
type anonymous struct{ name string }

// prove succeeds for a caller who shows nothing. One whose token or key is not good is told so, instead of being served as a
// stranger.
func (p anonymous) prove(_ context.Context, r *request, _ *witnesses) (*identity, *failure) {
	if r.shown {
		return nil, &failure{}
	}
	return &identity{kind: gateway.ByNobody, consumer: p.name}, nil
}
