package config

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// bodyFields are changes of JSON bodies.
type bodyFields struct {
	orNone
	Request  *bodyChangeFields `yaml:"request" doc:"What the upstream gets."`
	Response *bodyChangeFields `yaml:"response" doc:"What the client gets."`
}

type bodyChangeFields struct {
	Set     map[string]any `yaml:"set" jsonschema:"required" doc:"Fields of the object with their values: texts, numbers, true, false, null or objects of these. A text may have parts in braces, as a header's value, and {request.body.FIELD} or in a response {response.body.FIELD}, which keep their type where they stand alone."`
	Replace bool           `yaml:"replace" jsonschema:"default=false" doc:"Whether the body becomes these fields alone. Else the others stay."`
	Remove  reserved       `yaml:"remove" jsonschema:"-" reserved:"Envoy cannot take a field out of an object: write replace, and set with every field that stays"`
}

func (f *bodyFields) changes(o *object, at string) *gateway.BodyChanges {
	switch {
	case f == nil:
		return nil
	case f.none:
		return &gateway.BodyChanges{}
	case f.Request == nil && f.Response == nil && !o.blamed(at):
		o.fault(gateway.CodeBodyChange, at, "body says nothing: write request, response or both, or none")
	}
	return &gateway.BodyChanges{
		Request: f.Request.change(o, join(at, "request"), false), Response: f.Response.change(o, join(at, "response"), true),
	}
}

func (f *bodyChangeFields) change(o *object, at string, response bool) *gateway.BodyChange {
	if f == nil {
		return nil
	}
	if len(f.Set) == 0 && !o.blamed(at) {
		o.fault(gateway.CodeBodyChange, at, "no field is set: write set, or remove this")
	}
	if len(f.Set) > maxHeaders {
		o.fault(gateway.CodeTooLarge, join(at, "set"), "more than %d fields: leave some out", maxHeaders)
		return nil
	}
	return &gateway.BodyChange{Replace: f.Replace, Fields: bodyObject(o, f.Set, join(at, "set"), response)}
}

func bodyObject(o *object, written map[string]any, at string, response bool) []gateway.BodyField {
	var out []gateway.BodyField
	for _, name := range sortedKeys(written) {
		out = append(out, gateway.BodyField{Name: name, Value: bodyValue(o, written[name], join(at, name), response)})
	}
	return out
}

func bodyValue(o *object, written any, at string, response bool) gateway.BodyValue {
	switch x := written.(type) {
	case string:
		parts, err := gateway.ParseBodyText(x, response)
		switch {
		case err != nil:
			o.fault(gateway.CodeBodyChange, at, "%s", err)
		case x == "":
			return gateway.BodyValue{Constant: ""}
		}
		return gateway.BodyValue{Text: parts}
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			o.fault(gateway.CodeBodyChange, at, "%s is a number that JSON readers lose digits of: write it in quotes, as a text", x)
		}
		return gateway.BodyValue{Constant: f}
	case map[string]any:
		return gateway.BodyValue{Object: bodyObject(o, x, at, response)}
	case []any:
		o.fault(gateway.CodeBodyChange, at, "Envoy cannot write a list into a body: write a text, a number, true, false, null or an object")
		return gateway.BodyValue{}
	}
	return gateway.BodyValue{Constant: written}
}

// sortedKeys returns the keys of a mapping in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
