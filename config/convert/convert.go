// Package convert turns configurations of others into documents: objects of the Gateway API, and OpenAPI contracts.
//
// In: files, as they lie somewhere. Out: the documents that mean the same, as YAML in their canonical form, and a list of all that could
// not be carried over, each with its file and line. What a file says is either in the documents or in that list: nothing is dropped
// in silence. It reads no file itself, and checks no document: whoever loads them does.
package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// File is a file that is converted.
type File struct {
	Name string // As it is shown.
	Text []byte
}

// Left is something that the documents do not say.
type Left struct {
	File string
	Line int    // From 1.
	What string // The object and its field, such as "HTTPRoute shop/cart spec.rules[0].filters[1]".
	Why  string // What it would take, or what to do.
}

// String returns it as it is shown: file, line, what and why.
func (l Left) String() string { return fmt.Sprintf("%s:%d: %s: %s", l.File, l.Line, l.What, l.Why) }

// Result is what files become.
type Result struct {
	Documents []byte
	Left      []Left // In the order of the files.
}

// document is one document that is being made.
type document struct {
	kind, name string
	fields     []canonical.Part
}

// set adds a field, unless its value is empty.
func (d *document) set(name string, v canonical.Value) {
	if v.Shape >= canonical.List && len(v.Parts) == 0 || v.Shape == canonical.Text && v.Text == "" {
		return
	}
	d.fields = append(d.fields, canonical.Part{Name: name, Value: v})
}

func text(s string) canonical.Value { return canonical.Value{Shape: canonical.Text, Text: s} }

func plain(v any) canonical.Value {
	return canonical.Value{Shape: canonical.Plain, Text: fmt.Sprint(v)}
}

// mapping returns a mapping of fields in the order in which they are given: names and values in turns. Empty values are left out.
func mapping(pairs ...any) canonical.Value {
	var d document
	for i := 0; i+1 < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case canonical.Value:
			d.set(fmt.Sprint(pairs[i]), v)
		case string:
			d.set(fmt.Sprint(pairs[i]), text(v))
		default:
			d.set(fmt.Sprint(pairs[i]), plain(v))
		}
	}
	return canonical.Value{Shape: canonical.Mapping, Parts: d.fields}
}

func list(items ...canonical.Value) canonical.Value {
	out := canonical.Value{Shape: canonical.List}
	for i, v := range items {
		out.Parts = append(out.Parts, canonical.Part{Index: i, Value: v})
	}
	return out
}

func textList(items []string) canonical.Value {
	values := make([]canonical.Value, len(items))
	for i, s := range items {
		values[i] = text(s)
	}
	return list(values...)
}

// write returns documents as one file, by kind in the order in which a reader wants them, and by name.
func write(documents []*document) []byte {
	order := []string{"Gateway", "Certificate", "Issuer", "Upstream", "API", "Route"}
	documents = slices.Clone(documents)
	slices.SortStableFunc(documents, func(a, b *document) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.kind), slices.Index(order, b.kind)), cmp.Compare(a.name, b.name))
	})
	var out strings.Builder
	for i, d := range documents {
		if i == 0 {
			out.WriteString("schema: 1\n")
		} else {
			out.WriteString("---\n")
		}
		fields := append([]canonical.Part{{Name: "kind", Value: text(d.kind)}, {Name: "name", Value: text(d.name)}}, d.fields...)
		out.Write(canonical.Write(canonical.Value{Shape: canonical.Mapping, Parts: fields}))
	}
	return []byte(out.String())
}
