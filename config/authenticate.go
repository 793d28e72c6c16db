package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// authenticateFields is `none`, one proof, or a choice of proofs.
type authenticateFields struct {
	none       bool
	Any        []proofFields `yaml:"any" order:"none" jsonschema:"minItems=1" doc:"One of these proofs suffices."`
	All        []partFields  `yaml:"all" order:"none" jsonschema:"minItems=1" doc:"All of these proofs together."`
	partFields `yaml:",inline"`
}

// proofFields is one proof, or several together.
type proofFields struct {
	All        []partFields `yaml:"all" order:"none" jsonschema:"minItems=1" doc:"All of these proofs together."`
	partFields `yaml:",inline"`
}

// partFields is one proof.
type partFields struct {
	JWT           name               `yaml:"jwt" doc:"The name of an Issuer whose token proves who calls."`
	Introspection name               `yaml:"introspection" doc:"The name of an Issuer that is asked about the token, which says nothing by itself (RFC 7662)."`
	Key           *keyPlaceFields    `yaml:"key" doc:"An API key, and where it stands."`
	MTLS          *certificateFields `yaml:"mtls" doc:"A client certificate that the listener verified. {} takes each of them."`
	Anonymous     name               `yaml:"anonymous" doc:"Nobody in particular, under this name. It is for routes that also take callers who say who they are."`
	Scopes        []scope            `yaml:"scopes" order:"none" doc:"The scopes that the token or the key must hold, all of them."`
	Claims        []claimFields      `yaml:"claims" by:"claim" order:"none" doc:"What the token must say besides."`
	Bound         bool               `yaml:"bound" jsonschema:"default=false" doc:"Whether the token must be bound to the client's certificate (RFC 8705)."`
}

type keyPlaceFields struct {
	Header headerField `yaml:"header" doc:"The header in which it stands."`
	Query  keyName     `yaml:"query" doc:"The query parameter in which it stands."`
	Cookie keyName     `yaml:"cookie" doc:"The cookie in which it stands."`
}

type certificateFields struct {
	SPIFFE  []string `yaml:"spiffe" order:"none" single:"true" doc:"SPIFFE ids, one of which it must have; a * at the end stands for the rest."`
	DNS     []string `yaml:"dns" order:"none" single:"true" doc:"DNS names, one of which it must have; *. at the beginning stands for one label."`
	Subject []string `yaml:"subject" order:"none" single:"true" doc:"Subjects, one of which it must have, such as CN=teller,O=Nordhaven."`
}

// claimFields is a claim and what it may be.
type claimFields struct {
	Claim claimPath `yaml:"claim" jsonschema:"required" doc:"The claim, by its path with dots between, such as realm_access.roles."`
	Is    []string  `yaml:"is" order:"none" single:"true" jsonschema:"required,minItems=1" doc:"What it is: one of these, or a list that holds one of them."`
}

func claimTests(list []claimFields) []gateway.ClaimTest {
	return each(list, func(c claimFields) gateway.ClaimTest {
		return gateway.ClaimTest{Name: string(c.Claim), Values: sortedTexts(c.Is)}
	})
}

func (v *authenticateFields) parse(text string) error {
	if text != "none" {
		return fmt.Errorf("authenticate cannot be %q: write none for everybody, or jwt: and the name of an Issuer", text)
	}
	v.none = true
	return nil
}

// authenticate builds the choice of proofs. nil where nothing was written.
func (v *authenticateFields) authenticate(o *object, field string) *gateway.Authenticate {
	if v == nil {
		return nil
	}
	if v.none {
		return &gateway.Authenticate{None: true}
	}
	out := &gateway.Authenticate{}
	own := v.says()
	switch {
	case own && (v.Any != nil || v.All != nil), v.Any != nil && v.All != nil:
		o.fault(gateway.CodeConflict, field, "any, all and a proof of its own exclude one another: keep one")
	case own:
		out.Any = []gateway.Proof{v.proof(o, field)}
	case v.All != nil:
		out.Any = []gateway.Proof{together(o, v.All, field)}
	case v.Any == nil && !o.blamed(field):
		o.fault(gateway.CodeMissingField, field, "authenticate says nothing: write jwt: and the name of an Issuer, or none")
	}
	for i := range v.Any {
		p, at := &v.Any[i], fmt.Sprintf("%s.any[%d]", field, i)
		switch {
		case p.All != nil && p.says():
			o.fault(gateway.CodeConflict, at, "all and a proof of its own exclude one another: keep one")
		case p.All != nil:
			out.Any = append(out.Any, together(o, p.All, at))
		default:
			out.Any = append(out.Any, p.proof(o, at))
		}
	}
	return out
}

// together builds proofs that are needed all.
func together(o *object, parts []partFields, field string) gateway.Proof {
	if len(parts) == 1 {
		return parts[0].proof(o, field+".all[0]")
	}
	var out gateway.Proof
	for i := range parts {
		out.All = append(out.All, parts[i].proof(o, fmt.Sprintf("%s.all[%d]", field, i)))
	}
	return out
}

// says reports whether anything of a proof is written.
func (v *partFields) says() bool {
	return len(v.kinds()) > 0 || v.Scopes != nil || v.Claims != nil || v.Bound
}

// kinds returns the names of the kinds of proof that are written.
func (v *partFields) kinds() []string {
	var kinds []string
	for _, k := range []struct {
		name string
		said bool
	}{
		{"jwt", v.JWT != ""}, {"introspection", v.Introspection != ""}, {"key", v.Key != nil}, {"mtls", v.MTLS != nil}, {"anonymous", v.Anonymous != ""},
	} {
		if k.said {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// proof builds one proof.
func (v *partFields) proof(o *object, field string) gateway.Proof {
	out := gateway.Proof{
		JWT: string(v.JWT), Introspection: string(v.Introspection), Anonymous: string(v.Anonymous),
		Scopes: texts(v.Scopes), Claims: claimTests(v.Claims), Bound: v.Bound,
	}
	kinds := v.kinds()
	token := out.JWT != "" || out.Introspection != ""
	switch {
	case len(kinds) > 1:
		o.fault(gateway.CodeConflict, field, "%s are different proofs: write each as an entry of its own, below any or all", strings.Join(kinds, " and "))
	case len(kinds) == 0:
		if !o.blamed(field) {
			o.fault(gateway.CodeMissingField, field, "the proof says not what it is: write jwt: and the name of an Issuer, key:, mtls:, introspection: or anonymous:")
		}
	case !token && (v.Claims != nil || v.Bound):
		o.fault(gateway.CodeConflict, field, "claims and bound are about tokens: write them with jwt or introspection")
	case !token && v.Key == nil && v.Scopes != nil:
		o.fault(gateway.CodeConflict, join(field, "scopes"), "scopes are what a token or a key holds: write them with jwt, introspection or key")
	}
	if v.Key != nil {
		out.Key = v.Key.place(o, join(field, "key"))
	}
	if v.MTLS != nil {
		out.Certificate = &gateway.CertificateTest{SPIFFE: sortedTexts(v.MTLS.SPIFFE), DNS: sortedTexts(v.MTLS.DNS), Subject: sortedTexts(v.MTLS.Subject)}
	}
	return out
}

// place builds where a key stands.
func (v *keyPlaceFields) place(o *object, field string) *gateway.KeyPlace {
	out := &gateway.KeyPlace{Header: string(v.Header), Query: string(v.Query), Cookie: string(v.Cookie)}
	said := 0
	for _, place := range []string{out.Header, out.Query, out.Cookie} {
		if place != "" {
			said++
		}
	}
	if said != 1 && !o.blamed(field) {
		o.fault(gateway.CodeConflict, field, "a key stands in one place: write header:, query: or cookie:, and its name")
	}
	return out
}

// headerField is the name of a header, kept in lower case.
type headerField string

func (v *headerField) parse(text string) error {
	if text == "" || !every(text, headerCharacter) {
		return fmt.Errorf("%q is no name of a header: write letters, digits and '-'", text)
	}
	*v = headerField(strings.ToLower(text))
	return nil
}

func (headerField) JSONSchema() *jsonschema.Schema { return pattern(`^[A-Za-z0-9-]+$`, "x-api-key") }

// keyName is the name of a query parameter or of a cookie (RFC 6265 4.1.1).
type keyName string

func (v *keyName) parse(text string) error {
	if text == "" || !every(text, wordOrDash) {
		return fmt.Errorf("%q is no name here: write letters, digits, '-', '_' and '.'", text)
	}
	*v = keyName(text)
	return nil
}

func (keyName) JSONSchema() *jsonschema.Schema { return pattern(`^[A-Za-z0-9._-]+$`, "api_key") }

func wordOrDash(c byte) bool { return wordCharacter(c) || c == '-' || c == '.' }

// claimPath is the path of a claim, with dots between.
type claimPath string

func (v *claimPath) parse(text string) error {
	for part := range strings.SplitSeq(text, ".") {
		if part == "" {
			return errors.New("a claim is a name, or several with dots between, as in realm_access.roles")
		}
	}
	*v = claimPath(text)
	return nil
}

func (claimPath) JSONSchema() *jsonschema.Schema {
	return pattern(`^[^.]+(\.[^.]+)*$`, "realm_access.roles")
}
