package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
)

// definitionPrefix begins every reference inside the schema.
const definitionPrefix = "#/$defs/"

// Reference returns the reference of all documents as Markdown: each kind and each part of one, with every field, what may
// be written there and what holds where nothing is. It is made from the same schema that editors get.
func Reference() []byte {
	root := schema()
	var b strings.Builder
	b.WriteString("# Documents\n\n")
	b.WriteString("What may be written in a directory of documents. This page is made from the types by which documents are read;\n")
	b.WriteString("`gatehouse schema` prints the same as JSON Schema, for editors. A field in **bold** must be written.\n")
	listed := map[string]bool{}
	for _, kind := range kinds() {
		name := kindDefinition(root, kind)
		listed[name] = true
		fmt.Fprintf(&b, "\n## %s\n", kind)
		b.WriteString(fields(root.Definitions[name]))
	}
	b.WriteString("\n# Parts of documents\n")
	for _, name := range slices.Sorted(maps.Keys(root.Definitions)) {
		if !listed[name] {
			fmt.Fprintf(&b, "\n## %s\n\n", name)
			b.WriteString(definition(root.Definitions[name]))
		}
	}
	return []byte(b.String())
}

// kindDefinition returns the name of a kind's definition.
func kindDefinition(root *jsonschema.Schema, kind string) string {
	for _, choice := range root.AllOf {
		if p, ok := choice.If.Properties.Get("kind"); ok && p.Const == kind {
			return strings.TrimPrefix(choice.Then.Ref, definitionPrefix)
		}
	}
	return kind
}

// definition describes a definition: the forms that it may take, and the fields of the form that is an object.
func definition(s *jsonschema.Schema) string {
	if s.Properties != nil && s.Properties.Len() > 0 {
		return strings.TrimPrefix(fields(s), "\n")
	}
	var b strings.Builder
	if s.Description != "" {
		b.WriteString(s.Description + "\n\n")
	}
	if len(s.AnyOf) == 0 {
		b.WriteString(strings.ToUpper(written(s)[:1]) + written(s)[1:] + ".\n")
		return b.String()
	}
	object := ""
	for _, choice := range s.AnyOf {
		if choice.Properties != nil {
			object = fields(choice)
			continue
		}
		fmt.Fprintf(&b, "- %s\n", written(choice))
	}
	if object != "" {
		b.WriteString("- a mapping:\n" + object)
	}
	return b.String()
}

// fields returns the table of an object's fields.
func fields(s *jsonschema.Schema) string {
	var b strings.Builder
	b.WriteString("\n| field | value | default | what it says |\n|---|---|---|---|\n")
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		name := "`" + p.Key + "`"
		if slices.Contains(s.Required, p.Key) {
			name = "**" + name + "**"
		}
		initial := ""
		if p.Value.Default != nil {
			initial = fmt.Sprintf("`%v`", p.Value.Default)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, strings.ReplaceAll(written(p.Value), "|", `\|`), initial, p.Value.Description)
	}
	return b.String()
}

// written says in a few words what may be written.
func written(s *jsonschema.Schema) string {
	switch {
	case s.Ref != "":
		name := strings.TrimPrefix(s.Ref, definitionPrefix)
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	case s.Const != nil:
		return fmt.Sprintf("`%v`", s.Const)
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, word := range s.Enum {
			words[i] = fmt.Sprintf("`%v`", word)
		}
		return strings.Join(words, ", ")
	case len(s.AnyOf) > 0:
		forms := make([]string, len(s.AnyOf))
		for i, choice := range s.AnyOf {
			forms[i] = written(choice)
		}
		return strings.Join(forms, " or ")
	case s.Type == "array":
		return "list of " + written(s.Items)
	case s.Type == "object" && s.AdditionalProperties != nil && s.AdditionalProperties.Type != "":
		return "mapping of names to " + written(s.AdditionalProperties)
	case s.Type == "object":
		return "mapping"
	case s.Type == "string":
		return textWritten(s)
	case s.Type == "integer" || s.Type == "number":
		return numberWritten(s)
	case s.Type == "boolean":
		return "`true`, `false`"
	}
	return "anything"
}

func textWritten(s *jsonschema.Schema) string {
	if s.Pattern != "" {
		return "text like `" + s.Pattern + "`"
	}
	return "text"
}

func numberWritten(s *jsonschema.Schema) string {
	if s.Minimum != "" && s.Maximum != "" {
		return fmt.Sprintf("number from %s to %s", s.Minimum, s.Maximum)
	}
	if s.Minimum != "" {
		return fmt.Sprintf("number from %s", s.Minimum)
	}
	return "number"
}
