package authz

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/gateway"
)

// keyProof is the proof by an API key.
type keyProof struct {
	place  gateway.KeyPlace
	scopes []string
}

func (p *keyProof) prove(ctx context.Context, r *request, w *witnesses) (*identity, *failure) {
	text, shown := keyText(&p.place, r)
	switch {
	case !shown:
		return nil, &failure{verdict: nothingShown, reason: "key-missing", detail: "An API key is needed."}
	case w.keys == nil:
		return nil, keysAway()
	}
	from := addressOf(ctx, r)
	key, err := w.keys.Find(text)
	switch {
	case isBadKey(err):
		id, _ := keys.ID(text)
		if f := w.guesses.wrong(from, id, text); f != nil {
			return nil, f
		}
		return nil, &failure{verdict: nothingGood, reason: "key-invalid", detail: "The API key is not good."}
	case err != nil:
		return nil, keysAway()
	}
	if f := w.guesses.right(from, key.ID); f != nil {
		return nil, f
	}
	id := &identity{
		kind: gateway.ByKey, consumer: key.ID, application: key.Application,
		plan: key.Plan(r.rules.api, r.rules.version), granted: key.Scopes,
	}
	switch {
	case !key.Counts(from):
		return nil, &failure{verdict: notEnough, reason: "address-refused", detail: "The API key does not count from this address."}
	case id.lacks(p.scopes):
		return nil, &failure{verdict: notEnough, reason: "scope-missing", detail: "The API key lacks a scope that this operation needs."}
	}
	return id, nil
}

// isBadKey reports whether an error is about the key that was shown, and not about who should know it.
func isBadKey(err error) bool {
	return errors.Is(err, keys.ErrMalformed) || errors.Is(err, keys.ErrUnknown) || errors.Is(err, keys.ErrRevoked) || errors.Is(err, keys.ErrExpired)
}

func keysAway() *failure {
	return &failure{verdict: nobodyKnows, reason: "keys-away", detail: "The API keys are not known here yet.", wait: 1}
}

// addressOf returns the address of the client; the zero value where it is not known.
func addressOf(ctx context.Context, r *request) netip.Addr {
	text, _ := r.clientAddress(ctx)
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}

// keyText returns what stands in the place of a key. Two values in one place are no key: who would say which counts?
func keyText(place *gateway.KeyPlace, r *request) (text string, shown bool) {
	switch {
	case place.Header != "":
		text, shown = headers(r.http())[place.Header]
		text = strings.TrimSpace(text)
		if place.Header != "authorization" {
			return text, shown
		}
		scheme, rest, found := strings.Cut(text, " ")
		if found && (strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "apikey")) {
			text = strings.TrimSpace(rest)
		}
		return text, shown
	case place.Query != "":
		_, query := r.splitPath()
		for name, value := range queryPairs(query) {
			if decoded, err := url.QueryUnescape(name); err == nil && decoded == place.Query {
				if shown {
					return "", true
				}
				text, shown = value, true
			}
		}
		if decoded, err := url.QueryUnescape(text); err == nil {
			return decoded, shown
		}
		return "", shown
	}
	for name, value := range cookies(r.header("cookie")) {
		if name == place.Cookie {
			if shown {
				return "", true
			}
			text, shown = strings.Trim(value, `"`), true
		}
	}
	return text, shown
}

// queryPairs yields the names and values of a query as they are spelt.
func queryPairs(query string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			if pair != "" && !yield(name, value) {
				return
			}
		}
	}
}

// cookies yields the names and values of a Cookie header (RFC 6265, section 4.2.1). No value holds a comma; where there is one, it
// stands between several headers.
func cookies(text string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for pair := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ';' || c == ',' }) {
			_, value, _ := strings.Cut(pair, "=")
			if !yield(cookieName(pair), strings.TrimSpace(value)) {
				return
			}
		}
	}
}

// cookieName returns the name in a pair of a Cookie header. Blanks do not belong to it, as there are upstreams to which they do not.
func cookieName(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return strings.TrimSpace(name)
}
