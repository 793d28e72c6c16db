package config

import (
	"fmt"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// protocolGRPC is the protocol of a Route whose requests are calls of gRPC.
const protocolGRPC = "grpc"

// callFields say which calls of gRPC are meant.
type callFields struct {
	Service callName `yaml:"service" doc:"The service with its package, as in bank.payments.v1.Payments. Every service where not said."`
	Method  callName `yaml:"method" doc:"The method. Every method of the service where not said."`
}

// callName is the name of a service or a method.
type callName string

const callForm = `^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*$`

func (v *callName) parse(text string) error {
	if text == "" || !every(text, func(c byte) bool { return wordCharacter(c) || c == '.' }) {
		return fmt.Errorf("%q is no name of gRPC: write letters, digits and underscores, with dots between packages, as in bank.payments.v1.Payments", text)
	}
	*v = callName(text)
	return nil
}

func (callName) JSONSchema() *jsonschema.Schema {
	return pattern(callForm, "bank.payments.v1.Payments", "Pay")
}

// calls turns the match of a Route into that of calls of gRPC: the path is /SERVICE/METHOD, by POST, and the content-type says so
// (PROTOCOL-HTTP2 of gRPC, Requests).
func (d *routeDocument) calls(o *object, m gateway.Match) gateway.Match {
	call := d.Call
	if d.Protocol != protocolGRPC {
		if call != nil {
			o.fault(gateway.CodeConflict, "call", "call tells calls of gRPC apart: write protocol: grpc, or match")
		}
		return m
	}
	if d.Match.Path != nil || d.Match.PathRegex != nil || d.Match.Method != "" || d.Match.Methods != nil {
		o.fault(gateway.CodeConflict, "match", "calls of gRPC are told by call: write service and method there, and only headers and query here")
	}
	m.GRPC, m.Methods = true, []string{"POST"}
	if call == nil {
		return m
	}
	text := "/**"
	switch {
	case call.Service == "" && call.Method != "":
		o.fault(gateway.CodeMissingField, "call.service", "the field service is missing: write it, as a method belongs to a service")
	case call.Method != "":
		text = "/" + string(call.Service) + "/" + string(call.Method)
	case call.Service != "":
		text = "/" + string(call.Service) + "/**"
	}
	if p, err := gateway.ParsePath(text); err == nil {
		m.Path = p
	}
	return m
}
