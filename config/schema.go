package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// Schema returns the JSON Schema (2020-12) of one document, for editors. It is made from the types by which documents are
// read; what can only be seen across documents or fields is left to Load.
func Schema() ([]byte, error) {
	text, err := json.MarshalIndent(schema(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema as JSON: %w", err)
	}
	return append(text, '\n'), nil
}

// schema returns the schema as a value.
func schema() *jsonschema.Schema {
	root := &jsonschema.Schema{
		Version:     jsonschema.Version,
		Title:       "Gatehouse document",
		Description: "One document of a Gatehouse configuration: a Gateway, Upstream, API, Route, Issuer, Policy or Limit.",
		Type:        "object",
		Required:    []string{"kind", "name"},
		Properties:  jsonschema.NewProperties(),
		Definitions: jsonschema.Definitions{},
	}
	choice := &jsonschema.Schema{Description: "What the document describes."}
	for _, kind := range kinds() {
		choice.Enum = append(choice.Enum, kind)
		ref := describeKind(kind, root.Definitions)
		is := jsonschema.NewProperties()
		is.Set("kind", &jsonschema.Schema{Const: kind})
		root.AllOf = append(root.AllOf, &jsonschema.Schema{
			If:   &jsonschema.Schema{Properties: is, Required: []string{"kind"}},
			Then: &jsonschema.Schema{Ref: ref},
		})
	}
	root.Properties.Set("kind", choice)
	return root
}

// describeKind adds the definitions of a kind, and returns the reference to its own.
func describeKind(kind string, definitions jsonschema.Definitions) (ref string) {
	types := map[string]reflect.Type{}
	r := &jsonschema.Reflector{
		Anonymous:                  true,
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		LookupComment: func(t reflect.Type, name string) string {
			if name == "" { // The type itself.
				return ""
			}
			f, _ := t.FieldByName(name)
			return f.Tag.Get("doc")
		},
		Namer: func(t reflect.Type) string {
			title := definitionName(t)
			types[title] = t
			return title
		},
	}
	schema := r.ReflectFromType(reflect.TypeOf(newDocument(gateway.Kind(kind))))
	for title, s := range schema.Definitions {
		if t := types[title]; t.Kind() == reflect.Struct && s.Properties != nil {
			refine(s, t)
		}
		definitions[title] = s
	}
	if p, ok := schema.Definitions[strings.TrimPrefix(schema.Ref, "#/$defs/")].Properties.Get("kind"); ok {
		*p = jsonschema.Schema{Const: kind, Description: p.Description}
	}
	return schema.Ref
}

// definitionName is a type's name as readers of the schema see it: "Listener" for listenerFields.
func definitionName(t reflect.Type) string {
	title := strings.TrimSuffix(strings.TrimSuffix(t.Name(), "Document"), "Fields")
	if t.PkgPath() == "" || title == "" {
		return t.Name()
	}
	return strings.ToUpper(title[:1]) + title[1:]
}

// refine says in the schema of a struct what its tags and short forms say to the decoder.
func refine(s *jsonschema.Schema, t reflect.Type) {
	for _, r := range readRecord(t).rules {
		p, ok := s.Properties.Get(r.name)
		if !ok {
			continue
		}
		r.refine(p, t.FieldByIndex(r.index).Type)
		if r.single && p.Items != nil {
			list := *p
			list.Description, list.Default = "", nil
			s.Properties.Set(r.name, &jsonschema.Schema{Description: p.Description, AnyOf: []*jsonschema.Schema{p.Items, &list}})
		}
	}
	requireWindow(s, t)
	if short, ok := reflect.TypeAssert[shorthand](reflect.Zero(t)); ok {
		alone, _ := s.Properties.Get(short.short())
		either(s, &jsonschema.Schema{Ref: alone.Ref, Type: alone.Type, Pattern: alone.Pattern})
	}
	if _, ok := reflect.TypeAssert[refusable](reflect.New(t)); ok || t == reflect.TypeFor[authenticateFields]() {
		either(s, &jsonschema.Schema{Const: "none"})
	}
}

// either turns the schema of an object into a choice between that and its short form.
func either(s, short *jsonschema.Schema) {
	long := *s
	*s = jsonschema.Schema{AnyOf: []*jsonschema.Schema{short, &long}}
}

// refine adds to a property what its rule says.
func (r *rule) refine(p *jsonschema.Schema, t reflect.Type) {
	if r.standard != "" {
		p.Default = typed(r.standard, t)
	}
	if r.minItems > 0 {
		p.MinItems = new(uint64(r.minItems))
	}
	if r.minimum != nil {
		p.Minimum = json.Number(strconv.Itoa(*r.minimum))
	}
	if r.maximum != nil {
		p.Maximum = json.Number(strconv.Itoa(*r.maximum))
	}
	if len(r.enum) > 0 {
		values := p
		if p.Items != nil {
			values = p.Items
		}
		values.Enum = nil
		for _, v := range r.enum {
			values.Enum = append(values.Enum, typed(v, t))
		}
	} else if r.required && p.Type == "string" && p.MinLength == nil {
		p.MinLength = new(uint64(1))
	}
}

// typed returns the value of a tag as JSON writes it for a type.
func typed(text string, t reflect.Type) any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Int:
		return json.Number(text)
	case reflect.Bool:
		return text == "true"
	}
	return text
}

// oneOfFields is the schema by which exactly one of several fields is written.
func oneOfFields(names ...string) []*jsonschema.Schema {
	return each(names, func(name string) *jsonschema.Schema { return &jsonschema.Schema{Required: []string{name}} })
}

// JSONSchemaExtend says that the Rego stands in a file or in the document.
func (policyDocument) JSONSchemaExtend(s *jsonschema.Schema) { s.OneOf = oneOfFields("file", "rego") }

// JSONSchemaExtend says that the keys stand in a file or in the document.
func (keysFields) JSONSchemaExtend(s *jsonschema.Schema) { s.OneOf = oneOfFields("file", "inline") }

// JSONSchemaExtend says that path and path-regex, method and methods exclude one another.
func (pathFields) JSONSchemaExtend(s *jsonschema.Schema) {
	for _, pair := range [][]string{{"path", "path-regex"}, {"method", "methods"}} {
		s.AllOf = append(s.AllOf, &jsonschema.Schema{Not: &jsonschema.Schema{Required: pair}})
	}
}
