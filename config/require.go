package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// requirementFields is a condition that Envoy checks itself.
type requirementFields struct {
	Name      name               `yaml:"name" jsonschema:"required" doc:"Its name, which a refusal gives as the reason."`
	Addresses []network          `yaml:"addresses" order:"none" single:"true" jsonschema:"minItems=1" doc:"Addresses and networks, one of which the client must come from."`
	Headers   []headerTestFields `yaml:"headers" by:"header" order:"none" jsonschema:"minItems=1" doc:"What headers must be, all of them."`
	Claims    []claimFields      `yaml:"claims" by:"claim" order:"none" jsonschema:"minItems=1" doc:"What the verified token must say, all of it."`
}

type headerTestFields struct {
	Header headerField `yaml:"header" jsonschema:"required" doc:"The header."`
	Is     []string    `yaml:"is" order:"none" single:"true" doc:"What it is: one of these. Anything where not said, but it must be there."`
}

// requirements builds the conditions of an API or an operation.
func requirements(o *object, list []requirementFields, field string) []gateway.Requirement {
	var out []gateway.Requirement
	for i, f := range list {
		r := gateway.Requirement{Name: string(f.Name), Claims: claimTests(f.Claims)}
		r.Addresses = each(f.Addresses, func(n network) netip.Prefix { return n.Prefix })
		r.Headers = each(f.Headers, func(h headerTestFields) gateway.HeaderTest {
			return gateway.HeaderTest{Name: string(h.Header), Values: sortedTexts(h.Is)}
		})
		at := fmt.Sprintf("%s[%d]", field, i)
		if f.Addresses == nil && f.Headers == nil && f.Claims == nil && !o.blamed(at) {
			o.fault(gateway.CodeMissingField, at, "the requirement %s asks for nothing: write addresses, headers or claims", f.Name)
		}
		out = append(out, r)
	}
	return out
}

// sortedTexts returns the texts of a list whose order means nothing, each once.
func sortedTexts(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
