package config

import (
	"encoding/json"

	"github.com/gatehouse/gatehouse/gateway"
)

type issuerDocument struct {
	header    `yaml:",inline"`
	Issuer    string      `yaml:"issuer" jsonschema:"required" doc:"The iss claim of its tokens, byte for byte."`
	Audiences []string    `yaml:"audiences" order:"none" jsonschema:"minItems=1" doc:"One of these must be in the token's aud. The aud is not looked at where not said."`
	JWKS      *keysFields `yaml:"jwks" doc:"The public keys by which its tokens are verified."`

	Introspection *introspectionFields `yaml:"introspection" doc:"How it is asked about tokens that say nothing by themselves (RFC 7662)."`

	Shared bool        `yaml:"shared" jsonschema:"default=false" doc:"Whether APIs of other teams may take its tokens. What has no team is free to all."`
	Mint   *mintFields `yaml:"mint" doc:"What signs tokens in examples and tests. Never in production."`
}

type keysFields struct {
	File   filePath `yaml:"file" doc:"A watched file that holds the key set (RFC 7517). Changing it rotates the keys at once, without a new revision."`
	Inline *keySet  `yaml:"inline" doc:"The key set itself, as YAML or as JSON text."`
	URL    reserved `yaml:"url" jsonschema:"-" reserved:"save the key set into a file: jwks: {file: ./issuer.jwks.json}"`
}

type mintFields struct {
	Key    secret                    `yaml:"key" jsonschema:"required" doc:"The secret that is the private key, as JWK: env:NAME or file:./path."`
	Tokens map[string]map[string]any `yaml:"tokens" jsonschema:"required" doc:"The claims of each token, by a name."`
}

func (d *issuerDocument) add(o *object, docs *gateway.Documents) {
	i := &gateway.Issuer{Name: string(d.Name), Issuer: d.Issuer, Audiences: d.Audiences, Team: d.Team, Shared: d.Shared, Origin: o.origin()}
	if d.JWKS != nil {
		i.KeySet, i.KeyFile = d.JWKS.keySet(o)
	} else if d.Introspection == nil && !o.blamed("jwks") {
		o.fault(gateway.CodeMissingField, "jwks", "nothing says how tokens of this Issuer are verified: write jwks, introspection, or both")
	}
	i.Introspection = d.Introspection.introspection(o)
	if d.Mint != nil {
		i.Mint = &gateway.Mint{Key: d.Mint.key(o), Tokens: d.Mint.Tokens}
	}
	if o.sound(docs) {
		docs.Issuers = append(docs.Issuers, i)
	}
}

// keySet returns the key set as JSON, checked, and the file in which it is.
func (f *keysFields) keySet(o *object) (set []byte, file string) {
	switch {
	case f.File != "" && f.Inline != nil:
		o.fault(gateway.CodeConflict, "jwks", "file and inline exclude one another: keep one")
	case f.Inline != nil:
		if err := checkKeySet(f.Inline.json); err != nil && !o.blamed("jwks.inline") {
			o.fault(gateway.CodeKeySet, "jwks.inline", "%s", err)
		}
		return f.Inline.json, ""
	case f.File != "":
		file, _ = o.watched("jwks.file", string(f.File), func(file string, text []byte) gateway.Faults {
			faults := keySetFaults(file, text)
			if len(faults) == 0 {
				set = text
			}
			return faults
		})
		return set, file
	case !o.blamed("jwks"):
		o.fault(gateway.CodeMissingField, "jwks", "jwks names no keys: write file: and the path of a key set, or inline:")
	}
	return nil, ""
}

// key resolves the key that signs tokens. nil where it cannot be had here, which is no fault where the environment is not
// looked at.
func (f *mintFields) key(o *object) []byte {
	if f.Key == "" {
		return nil
	}
	text, ok := o.load.secret(o, "mint.key", string(f.Key))
	if !ok || text == nil {
		return nil
	}
	var key struct {
		Type    string          `json:"kty"`
		Private json.RawMessage `json:"d"`
	}
	if json.Unmarshal(text, &key) != nil || key.Type == "" || key.Private == nil {
		o.fault(gateway.CodeSecret, "mint.key", "the secret is no private key as JWK (RFC 7517): write one, with kty and d")
		return nil
	}
	return text
}
