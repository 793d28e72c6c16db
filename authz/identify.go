package authz

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// identify finds a way that the caller proved, and notes the identity in the request. Where none suffices it returns the
// refusal; nil means go on.
func (w *witnesses) identify(ctx context.Context, r *request) *decision {
	var worst *failure
	for _, way := range r.rules.ways {
		id, f := way.prove(ctx, r, w)
		if f == nil {
			r.identity = id
			return nil
		}
		r.shown = r.shown || f.verdict > nothingShown && !f.silent
		if worst == nil || f.verdict > worst.verdict {
			worst = f
		}
	}
	if worst == nil {
		if r.rules.public {
			return nil
		}
		worst = &failure{reason: "nobody", detail: "Nobody may call this operation."}
	}
	return r.rules.refusal(worst)
}

// refusal returns the answer for a failure.
func (r *rules) refusal(f *failure) *decision {
	var d *decision
	switch f.verdict {
	case notEnough:
		d = refuse(Forbidden, http.StatusForbidden, gateway.ProblemForbidden, f.detail)
		if f.challenge != "" {
			d.headers = append(d.headers, header{"www-authenticate", f.challenge})
		}
	case guessedMuch:
		d = refuse(Unauthenticated, http.StatusTooManyRequests, gateway.ProblemLockedOut, f.detail)
	case nobodyKnows:
		d = refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemIdentityAway, f.detail)
	default:
		d = refuse(Unauthenticated, http.StatusUnauthorized, gateway.ProblemUnauthorized, f.detail)
		challenge := f.challenge
		if challenge == "" {
			challenge = r.challenge
		}
		d.headers = append(d.headers, header{"www-authenticate", challenge})
	}
	if f.wait > 0 {
		d.headers = append(d.headers, header{"retry-after", strconv.Itoa(f.wait)})
	}
	d.reason = f.reason
	return d
}

// challenges returns the WWW-Authenticate header for a route, one challenge for each kind of proof that suffices (RFC 9110,
// section 11.6.1): Bearer for tokens (RFC 6750, section 3). ApiKey and Certificate are no registered schemes; a challenge there must
// be (RFC 9110, section 15.5.2).
func challenges(realm string, ways []gateway.Way) string {
	var token, key, certificate bool
	for _, way := range ways {
		for _, p := range way {
			token = token || p.Kind == gateway.ByJWT || p.Kind == gateway.ByIntrospection
			key = key || p.Kind == gateway.ByKey
			certificate = certificate || p.Kind == gateway.ByCertificate
		}
	}
	var list []string
	if token || !key && !certificate {
		list = append(list, challenge(realm))
	}
	if key {
		list = append(list, "ApiKey realm="+quote(realm))
	}
	if certificate {
		list = append(list, "Certificate realm="+quote(realm))
	}
	return strings.Join(list, ", ")
}

// challenge returns the WWW-Authenticate header for tokens (RFC 6750, section 3).
func challenge(realm string) string { return "Bearer realm=" + quote(realm) }

// invalidChallenge returns the one that says that a token is not good (RFC 6750, section 3.1).
func invalidChallenge(realm string) string { return challenge(realm) + `, error="invalid_token"` }

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
