package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/invopop/jsonschema"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// keySet is a JSON Web Key Set, written as YAML or as JSON text.
type keySet struct{ json []byte }

func (v *keySet) decode(d *decoder, n *yaml.Node, at *field, _ *rule) {
	switch n.Kind {
	case yaml.ScalarNode:
		if text, ok := d.text(n, at); ok {
			v.json = []byte(text)
		}
	case yaml.MappingNode:
		value, ok := d.free(n, at)
		if !ok {
			return
		}
		text, err := json.Marshal(value)
		if err != nil { // What free returns is JSON.
			d.fault(gateway.CodeKeySet, n, at, "the key set cannot be written as JSON")
			return
		}
		v.json = text
	default:
		d.fault(gateway.CodeWrongType, n, at, "a key set is meant here, this is %s", describe(n))
	}
}

func (keySet) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "object", Required: []string{"keys"}},
		{Type: "string", ContentMediaType: "application/jwk-set+json"},
	}}
}

// checkKeySet reports why a key set (RFC 7517) cannot verify tokens, or must not stand where others can read it. What it
// says never holds a part of a key.
func checkKeySet(text []byte) error {
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil {
		return errors.New(`this is no key set: write JSON of the form {"keys": [...]}`)
	}
	if len(set.Keys) == 0 {
		return errors.New("the key set has no keys: take over those that the issuer publishes")
	}
	for i, key := range set.Keys {
		if err := checkKey(i, key); err != nil {
			return err
		}
	}
	return nil
}

// PublicKeys returns those keys of a key set (RFC 7517) that somebody else publishes by which signatures can be verified: what is
// symmetric, private, for encryption or not readable is left out. The error tells that none is left.
func (Watched) PublicKeys(text []byte) ([]byte, error) {
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil {
		return nil, errors.New("the answer is no key set")
	}
	var good []map[string]json.RawMessage
	var last error
	for i, key := range set.Keys {
		var use string
		if json.Unmarshal(key["use"], &use) == nil && use == "enc" {
			continue
		}
		if err := checkKey(i, key); err != nil {
			last = err
			continue
		}
		good = append(good, key)
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("the key set has no key that verifies signatures: %w", cmp.Or(last, errors.New("it is empty")))
	}
	set.Keys = good
	return json.Marshal(set)
}

// privateMembers are what only the private half of a key has (RFC 7518 6), or a symmetric one.
func privateMembers() []string { return []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} }

func checkKey(i int, key map[string]json.RawMessage) error {
	var kty string
	if json.Unmarshal(key["kty"], &kty) == nil && kty == "oct" {
		return fmt.Errorf("key %d of the key set is symmetric: who can read it can sign tokens; use a key pair, and replace this key", i+1)
	}
	for _, private := range privateMembers() {
		if _, ok := key[private]; ok {
			return fmt.Errorf("key %d of the key set is private: write its public half, and replace the key, as others may have read it", i+1)
		}
	}
	text, err := json.Marshal(key)
	if err == nil {
		_, err = jwk.ParseKey(text)
	}
	if err != nil { // Its text may quote the key.
		return fmt.Errorf("key %d of the key set cannot be read: take it over from the issuer as it is", i+1)
	}
	return nil
}
