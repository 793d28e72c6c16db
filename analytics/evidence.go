package analytics

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse/gatehouse/envoy"
)

// Evidence is what an Envoy tells of how it decided by itself. What it does not tell is empty.
type Evidence struct {
	Issuer  string   // iss of the token that it verified.
	Subject string   // sub of that token.
	Scopes  []string // scope of that token.
	SPIFFE  string   // First URI name of the client's certificate.
	Refusal string   // Name of the access rule that refused.
	Limit   string   // Name of the limit that was reached.
	Shadow  string   // Name of the access rule that would have refused.
}

// evidence reads what an entry tells of how its request was decided. What cannot be read is left out.
func (e *entry) evidence() Evidence {
	out := Evidence{SPIFFE: clean(e.spiffe, maxName), Limit: clean(e.limit, maxName)}
	if e.details == envoy.DetailsQuota {
		out.Limit = clean(e.quota, maxName)
	}
	_ = walkStruct(e.claims, func(key string, value []byte) error {
		if key == envoy.MetadataJWTClaims {
			return walkStruct(structOf(value), out.claim)
		}
		return nil
	})
	tried := ""
	_ = walkStruct(e.guarded, func(key string, value []byte) error {
		switch key {
		case envoy.KeyRefusal:
			out.Refusal = clean(textOf(value), maxDetails)
		case envoy.KeyShadow:
			out.Shadow = clean(textOf(value), maxDetails)
		case envoy.KeyShadowResult:
			tried = textOf(value)
		}
		return nil
	})
	if tried != envoy.PolicyDenied {
		out.Shadow = ""
	}
	return out
}

// wouldRefuse reports whether Evidence would tell a Shadow, and reads no more for it than it needs.
func (e *entry) wouldRefuse() bool {
	tried := false
	_ = walkStruct(e.guarded, func(key string, value []byte) error {
		tried = tried || key == envoy.KeyShadowResult && textOf(value) == envoy.PolicyDenied
		return nil
	})
	return tried
}

// claim takes a claim of the verified token.
func (v *Evidence) claim(name string, value []byte) error {
	switch name {
	case "iss":
		v.Issuer = clean(textOf(value), maxDetails)
	case "sub":
		v.Subject = clean(textOf(value), maxDetails)
	case "scope":
		v.Scopes = strings.Fields(clean(textOf(value), maxDetails))
	}
	return nil
}

// peer takes the first URI name of the client's certificate.
func (e *entry) peer(in []byte) error {
	e.spiffe = string(part(part(part(in, tlsPeer), peerNames), peerURI))
	return nil
}

// walkStruct shows every field of a google.protobuf.Struct, with its Value undecoded.
func walkStruct(in []byte, visit func(key string, value []byte) error) error {
	return walk(in, func(number protowire.Number, f field) error {
		if number != structFields {
			return nil
		}
		key, value, err := pair(f.bytes)
		if err != nil {
			return err
		}
		return visit(string(key), value)
	})
}

// textOf returns a Value that is a string, or "".
func textOf(value []byte) string { return string(part(value, valueString)) }

// structOf returns a Value that is an object.
func structOf(value []byte) []byte { return part(value, valueStruct) }

// part returns the first field of a message with a number.
func part(in []byte, wanted protowire.Number) (found []byte) {
	_ = walk(in, func(number protowire.Number, f field) error { // What cannot be read is not there.
		if number == wanted && found == nil {
			found = f.bytes
		}
		return nil
	})
	return found
}
