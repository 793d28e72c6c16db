package config

import (
	"crypto/x509"
	"encoding/json"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

type issuerDocument struct {
	header    `yaml:",inline"`
	Issuer    string      `yaml:"issuer" jsonschema:"required" doc:"The iss claim of its tokens, byte for byte."`
	Audiences []string    `yaml:"audiences" order:"none" jsonschema:"minItems=1" doc:"One of these must be in the token's aud. The aud is not looked at where not said."`
	JWKS      *keysFields `yaml:"jwks" doc:"The public keys by which its tokens are verified."`

	Algorithms  []algorithm  `yaml:"algorithms" order:"none" single:"true" jsonschema:"minItems=1" doc:"The algorithms by which its tokens may be signed. Any that a key of the set is for, where not said."`
	Types       []tokenType  `yaml:"types" order:"none" single:"true" jsonschema:"minItems=1" doc:"What the typ of a token may be, such as at+jwt (RFC 9068). The typ is not looked at where not said."`
	MaxLifetime duration     `yaml:"max-lifetime" doc:"How far ahead a token may expire at most. One that expires later is refused until that is near enough. Any time where not said."`
	Skew        wholeSeconds `yaml:"skew" jsonschema:"default=1m" doc:"By how much clocks may differ where the times of a token are looked at, 1s to 10m."`

	Introspection *introspectionFields `yaml:"introspection" doc:"How it is asked about tokens that say nothing by themselves (RFC 7662)."`

	Shared bool        `yaml:"shared" jsonschema:"default=false" doc:"Whether APIs of other teams may take its tokens. What has no team is free to all."`
	Mint   *mintFields `yaml:"mint" doc:"What signs tokens in examples and tests. Never in production."`
}

type keysFields struct {
	File     filePath `yaml:"file" doc:"A watched file that holds the key set (RFC 7517). Changing it rotates the keys at once, without a new revision."`
	Inline   *keySet  `yaml:"inline" doc:"The key set itself, as YAML or as JSON text."`
	URL      keysURL  `yaml:"url" doc:"Where Gatehouse fetches the key set, again and again. While that fails, the keys fetched last stay in use, also over restarts."`
	Discover bool     `yaml:"discover" jsonschema:"default=false" doc:"Whether the issuer's metadata tell where the key set is: /.well-known/openid-configuration below the issuer (OpenID Connect Discovery)."`
	Refresh  duration `yaml:"refresh" jsonschema:"default=5m" doc:"How often it is fetched, 1s to 24h. After a failure it is tried again sooner."`
	CA       filePath `yaml:"ca" doc:"A file of PEM certificates of those who may vouch for the server. The system's where not said."`
	Insecure bool     `yaml:"insecure" jsonschema:"default=false" doc:"Whether plain HTTP will do, by which whoever is on the way can put other keys in the place of the issuer's. On loopback it always does."`
}

type mintFields struct {
	Key    secret                    `yaml:"key" jsonschema:"required" doc:"The secret that is the private key, as JWK: env:NAME or file:./path."`
	Tokens map[string]map[string]any `yaml:"tokens" jsonschema:"required" doc:"The claims of each token, by a name."`
}

func (d *issuerDocument) add(o *object, docs *gateway.Documents) {
	i := &gateway.Issuer{Name: string(d.Name), Issuer: d.Issuer, Audiences: d.Audiences, Team: d.Team, Shared: d.Shared, Origin: o.origin()}
	i.Algorithms, i.Types = sortedTexts(texts(d.Algorithms)), sortedTexts(texts(d.Types))
	i.MaxLifetime, i.Skew = time.Duration(d.MaxLifetime), time.Duration(d.Skew)
	if d.JWKS != nil {
		i.KeySet, i.KeyFile = d.JWKS.keySet(o)
		i.KeyURL = d.JWKS.keyURL(o, d.Issuer)
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
	case f.ways() > 1:
		o.fault(gateway.CodeConflict, "jwks", "file, inline, url and discover exclude one another: keep one")
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
	case f.ways() == 0 && !o.blamed("jwks"):
		o.fault(gateway.CodeMissingField, "jwks", "jwks names no keys: write file: and the path of a key set, inline:, url: or discover: true")
	}
	return nil, ""
}

// ways counts in how many ways the keys are said.
func (f *keysFields) ways() int {
	n := 0
	for _, said := range []bool{f.File != "", f.Inline != nil, f.URL != "", f.Discover} {
		if said {
			n++
		}
	}
	return n
}

// Bounds of how often key sets are fetched.
const (
	keysRefresh    = 5 * time.Minute
	keysMinRefresh = time.Second
	keysMaxRefresh = 24 * time.Hour
)

// keyURL returns where the keys are fetched, nil where they are not.
func (f *keysFields) keyURL(o *object, issuer string) *gateway.KeyURL {
	if f.URL == "" && !f.Discover {
		if f.Refresh != 0 || f.CA != "" || f.Insecure {
			o.fault(gateway.CodeConflict, "jwks", "refresh, ca and insecure are about keys that are fetched: remove them, or write url: or discover: true")
		}
		return nil
	}
	out := &gateway.KeyURL{URL: string(f.URL), Refresh: f.Refresh.or(keysRefresh), Insecure: f.Insecure}
	if out.Refresh < keysMinRefresh || out.Refresh > keysMaxRefresh {
		o.fault(gateway.CodeBadValue, "jwks.refresh", "keys are fetched every 1s to 24h: write a duration between")
	}
	place, field := out.URL, "jwks.url"
	if f.Discover {
		place, field = issuer, "issuer"
	}
	if err := gateway.CheckSafeURL(place, f.Insecure); err != nil {
		o.fault(gateway.CodeBadValue, field, "%s", err)
	}
	if f.CA != "" {
		if text, _, ok := o.load.include(o, "jwks.ca", string(f.CA)); ok {
			if !x509.NewCertPool().AppendCertsFromPEM(text) {
				o.fault(gateway.CodeBadValue, "jwks.ca", "the file holds no certificate in PEM: write the path of one that does")
			}
			out.CA = text
		}
	}
	return out
}

// keysURL is where a key set is.
type keysURL string

func (v *keysURL) parse(text string) error {
	if err := gateway.CheckSafeURL(text, true); err != nil {
		return err
	}
	*v = keysURL(text)
	return nil
}

func (keysURL) JSONSchema() *jsonschema.Schema {
	return pattern(`^https?://`, "https://id.bank.test/keys")
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
