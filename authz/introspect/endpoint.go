package introspect

import (
	"crypto/sha256"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/gateway"
)

// Endpoint is where and how an Issuer is asked. It is made once for each route and compared by its content.
type Endpoint struct {
	Issuer string // Name of its document.

	id        string
	name      string // Its iss, empty: not compared.
	audiences []string
	settings  gateway.Introspection
}

// NewEndpoint returns how an Issuer is asked, whose document must say it.
func NewEndpoint(i *gateway.Issuer) *Endpoint {
	return &Endpoint{
		Issuer: i.Name, id: gateway.ContentHash([]any{i.Name, i.Issuer, i.Audiences, i.Introspection}),
		name: i.Issuer, audiences: i.Audiences, settings: *i.Introspection,
	}
}

// key returns under what the answer about a token is remembered. It is not the token, and does not tell it.
func (e *Endpoint) key(token string) (key [sha256.Size]byte) {
	h := sha256.New()
	_, _ = io.WriteString(h, e.id) // Of one length always. A hash's Write returns no error.
	_, _ = io.WriteString(h, token)
	h.Sum(key[:0])
	return key
}

// judge returns what the members of an answer say of a token, and until when that is believed. Beside active it is held against
// the token's time, issuer and audience, where the answer gives them; an audience that the Issuer's document asks for must be
// given (RFC 7662 2.2 leaves all of them to the issuer).
func (e *Endpoint) judge(claims *structpb.Struct, now time.Time) (Answer, time.Time) {
	refused := now.Add(e.settings.Refused)
	fields := claims.GetFields()
	if !fields["active"].GetBoolValue() {
		return Answer{}, refused
	}
	until := now.Add(e.settings.Cache)
	if end, said := instant(fields["exp"]); said {
		if !now.Before(end) {
			return Answer{}, refused
		}
		until = earlier(until, end)
	}
	if begin, said := instant(fields["nbf"]); said && now.Before(begin) {
		return Answer{}, earlier(refused, begin)
	}
	if iss := fields["iss"]; iss != nil && e.name != "" && iss.GetStringValue() != e.name {
		return Answer{}, refused
	}
	if len(e.audiences) > 0 && !e.meant(fields["aud"]) {
		return Answer{}, refused
	}
	return Answer{Active: true, Claims: claims}, until
}

// meant reports whether an audience is one that the Issuer's document names: a text, or a list of texts (RFC 7519 4.1.3).
func (e *Endpoint) meant(aud *structpb.Value) bool {
	if slices.Contains(e.audiences, aud.GetStringValue()) {
		return true
	}
	return slices.ContainsFunc(aud.GetListValue().GetValues(), func(v *structpb.Value) bool {
		return slices.Contains(e.audiences, v.GetStringValue())
	})
}

// instant reads a NumericDate (RFC 7519 2). What is written otherwise counts as the beginning of time: a token whose end cannot
// be read has ended.
func instant(v *structpb.Value) (at time.Time, said bool) {
	if v == nil {
		return time.Time{}, false
	}
	const last = 253402300799 // The end of the year 9999.
	return time.Unix(int64(min(max(v.GetNumberValue(), 0), last)), 0), true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
