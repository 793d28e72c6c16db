package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxHeaders bounds the headers that one part of a document changes.
const maxHeaders = 64

// headersFields are the changes of headers at one level.
type headersFields struct {
	Request  headerChangeFields    `yaml:"request" doc:"What the upstream gets."`
	Response responseHeadersFields `yaml:"response" doc:"What the client gets, also of answers that Gatehouse and Envoy give."`
}

type headerChangeFields struct {
	Set    map[string]headerValue `yaml:"set" doc:"Headers with their values, in place of whatever there is."`
	Add    map[string]headerValue `yaml:"add" doc:"Headers with their values, beside whatever there is."`
	Remove []string               `yaml:"remove" order:"none" doc:"Names of headers that are taken away."`
}

type responseHeadersFields struct {
	headerChangeFields `yaml:",inline"`
	Keep               []string `yaml:"keep" order:"none" single:"true" jsonschema:"minItems=1,enum=server,enum=x-aspnet-version,enum=x-aspnetmvc-version,enum=x-generator,enum=x-powered-by,enum=x-runtime" doc:"Headers by which an upstream tells what it is made of, and which would be taken away otherwise."`
}

func (f *responseHeadersFields) lengthen() { f.headerChangeFields.lengthen() }

// headerValue is text in which parts of the request may stand in braces.
type headerValue struct{ parts []gateway.HeaderPart }

func (v *headerValue) parse(text string) (err error) {
	v.parts, err = gateway.ParseHeaderValue(text)
	return err
}

func (headerValue) JSONSchema() *jsonschema.Schema {
	return pattern(`^[^\x00-\x08\x0a-\x1f\x7f]+$`, "no-store", "{client.address}")
}

// headers returns the changes with all their names checked.
func (f headersFields) headers(o *object, field string) gateway.Headers {
	out := gateway.Headers{
		Request: f.Request.changes(o, join(field, "request"), false), Response: f.Response.changes(o, join(field, "response"), true),
	}
	out.Response.Keep = sortedTexts(f.Response.Keep)
	return out
}

func (f headerChangeFields) changes(o *object, field string, response bool) gateway.HeaderChanges {
	if len(f.Set)+len(f.Add)+len(f.Remove) > maxHeaders {
		o.fault(gateway.CodeTooLarge, field, "more than %d headers: leave some out", maxHeaders)
		return gateway.HeaderChanges{}
	}
	seen := map[string]bool{}
	name := func(at, written string) (string, bool) {
		known, err := gateway.ParseHeaderName(written, response)
		switch {
		case err != nil:
			o.fault(gateway.CodeHeader, at, "%s", err)
		case seen[known]:
			o.fault(gateway.CodeConflict, at, "the header %s stands here twice, as letters' case makes no difference: keep one", known)
		default:
			seen[known] = true
			return known, true
		}
		return "", false
	}
	list := func(at string, written map[string]headerValue) []gateway.Header {
		var out []gateway.Header
		for _, key := range slices.Sorted(maps.Keys(written)) {
			known, ok := name(join(at, key), key)
			if ok && known == "authorization" && !response {
				o.fault(gateway.CodeSecret, join(at, key), "who can read the document can read this secret: remove it, and let the upstream know its caller otherwise")
			}
			if ok {
				out = append(out, gateway.Header{Name: known, Value: written[key].parts})
			}
		}
		slices.SortFunc(out, func(a, b gateway.Header) int { return cmp.Compare(a.Name, b.Name) })
		return out
	}
	out := gateway.HeaderChanges{Set: list(join(field, "set"), f.Set), Add: list(join(field, "add"), f.Add)}
	for i, written := range f.Remove {
		if known, ok := name(fmt.Sprintf("%s[%d]", join(field, "remove"), i), written); ok {
			out.Remove = append(out.Remove, known)
		}
	}
	return out
}
