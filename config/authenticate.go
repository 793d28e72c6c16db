package config

import (
	"fmt"
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// authenticateFields is `none`, one proof, or a choice of proofs.
type authenticateFields struct {
	none        bool
	Any         []proofFields `yaml:"any" by:"jwt" order:"none" jsonschema:"minItems=1" doc:"One of these proofs suffices."`
	All         []proofFields `yaml:"all" jsonschema:"minItems=1,maxItems=1" doc:"All of these proofs together; one for now."`
	JWT         name          `yaml:"jwt" doc:"The name of an Issuer whose token proves who calls."`
	Scopes      []scope       `yaml:"scopes" order:"none" doc:"The scopes that the token must hold, all of them."`
	laterProofs `yaml:",inline"`
}

type proofFields struct {
	JWT         name    `yaml:"jwt" doc:"The name of an Issuer whose token proves who calls."`
	Scopes      []scope `yaml:"scopes" order:"none" doc:"The scopes that the token must hold, all of them."`
	laterProofs `yaml:",inline"`
}

// laterProofs are proofs that are named but not built.
type laterProofs struct {
	Key           reserved `yaml:"key" jsonschema:"-" reserved:"prove who calls by a token: jwt"`
	MTLS          reserved `yaml:"mtls" jsonschema:"-" reserved:"prove who calls by a token: jwt"`
	Introspection reserved `yaml:"introspection" jsonschema:"-" reserved:"prove who calls by a token: jwt"`
	Anonymous     reserved `yaml:"anonymous" jsonschema:"-" reserved:"write authenticate: none where nobody needs to say who they are"`
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
	own := v.JWT != "" || v.Scopes != nil
	switch {
	case own && (v.Any != nil || v.All != nil), v.Any != nil && v.All != nil:
		o.fault(gateway.CodeConflict, field, "any, all and a proof of its own exclude one another: keep one")
	case len(v.All) > 1:
		o.fault(gateway.CodeReserved, join(field, "all"), "several proofs together are not available yet: keep one")
	case !own && v.Any == nil && v.All == nil:
		if !o.blamed(field) {
			o.fault(gateway.CodeMissingField, field, "authenticate says nothing: write jwt: and the name of an Issuer, or none")
		}
	}
	list, at := append(slices.Clone(v.Any), v.All...), join(field, "any")
	if v.All != nil {
		at = join(field, "all")
	}
	if own {
		list, at = []proofFields{{JWT: v.JWT, Scopes: v.Scopes}}, field
	}
	out := &gateway.Authenticate{}
	for i, p := range list {
		if p.JWT == "" && !o.blamed(field) {
			o.fault(gateway.CodeMissingField, fmt.Sprintf("%s[%d]", at, i), "the proof names no Issuer: write jwt: and its name")
		}
		out.Any = append(out.Any, gateway.Proof{JWT: string(p.JWT), Scopes: texts(p.Scopes)})
	}
	return out
}
