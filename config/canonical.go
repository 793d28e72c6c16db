package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// The canonical form of a document is made of the struct into which it was read, by the tags by which it was read. What
// the tags do not tell, types tell by these interfaces; fmt.Stringer is the inverse of texter.

// lengthened is a struct that can say one thing in several ways.
type lengthened interface {
	// lengthen leaves the long one of them. It is called on a copy that shares its lists and maps: these may be replaced, not
	// changed.
	lengthen()
}

// former is a value that has a form of its own: the inverse of noder.
type former interface {
	form(f *forms) canonical.Value
}

// located is the path of a file.
type located interface {
	// below returns the path as it is written at the root of the documents, when it was written in a folder of these.
	below(folder string) string
}

// forms makes canonical forms.
type forms struct {
	records map[reflect.Type]*record
	known   map[reflect.Type]*canonical.Record
	folder  string // In which the document stands.
}

// usualFields is how many fields most mappings have.
const usualFields = 4

func newForms() *forms {
	return &forms{records: map[reflect.Type]*record{}, known: map[reflect.Type]*canonical.Record{}}
}

// of returns the form of any value of a document.
func (f *forms) of(v reflect.Value, r *rule) canonical.Value {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch x := addressed(v).Interface().(type) {
	case former:
		return x.form(f)
	case refusable:
		if x.isNone() {
			return canonical.Value{Text: "none"}
		}
	case located:
		return canonical.Value{Text: x.below(f.folder)}
	case fmt.Stringer:
		return canonical.Value{Text: x.String()}
	}
	switch v.Kind() {
	case reflect.Struct:
		return f.object(v)
	case reflect.Slice:
		return f.list(v, r)
	case reflect.Map:
		return f.entries(v)
	case reflect.Interface:
		return free(v.Interface())
	case reflect.Int:
		return canonical.Value{Shape: canonical.Plain, Text: strconv.FormatInt(v.Int(), 10)}
	case reflect.Bool:
		return canonical.Value{Shape: canonical.Plain, Text: strconv.FormatBool(v.Bool())}
	}
	return canonical.Value{Text: v.String()}
}

// addressed returns a pointer to a value, or to a copy of it.
func addressed(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v.Addr()
	}
	return copied(v)
}

// copied returns a pointer to a copy of a value.
func copied(v reflect.Value) reflect.Value {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p
}

// object returns the fields of a struct that say something.
func (f *forms) object(v reflect.Value) canonical.Value {
	if long, ok := reflect.TypeAssert[lengthened](copied(v)); ok {
		long.lengthen()
		v = reflect.ValueOf(long).Elem()
	}
	out := canonical.Value{Shape: canonical.Mapping, Record: f.record(v.Type()), Parts: make([]canonical.Part, 0, usualFields)}
	for _, r := range f.fields(v.Type()).rules {
		field := v.FieldByIndex(r.index)
		if r.reserved != "" || !r.required && !r.none && silent(field) || field.Kind() == reflect.Slice && field.IsNil() {
			continue
		}
		p := canonical.Part{Name: r.name, Value: f.of(field, r)}
		if p.Text != "" && p.Text == r.standard || len(p.Parts) == 0 && p.Shape == canonical.Mapping && !r.required && field.Kind() == reflect.Struct {
			continue
		}
		out.Parts = append(out.Parts, p)
	}
	return out
}

// silent reports a field that was not written, or says no more than that.
func silent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero() // Of other structs only the fields tell.
}

func (f *forms) list(v reflect.Value, r *rule) canonical.Value {
	out := canonical.Value{Shape: canonical.List, Parts: make([]canonical.Part, v.Len())}
	if r != nil {
		out.By, out.Loose = r.by, r.loose
	}
	for i := range out.Parts {
		out.Parts[i] = canonical.Part{Index: i, Value: f.of(v.Index(i), nil)}
	}
	out.Sort()
	return out
}

func (f *forms) entries(v reflect.Value) canonical.Value {
	out := canonical.Value{Shape: canonical.Mapping}
	for _, key := range v.MapKeys() {
		p := canonical.Part{Name: key.String(), Value: f.of(v.MapIndex(key), nil)}
		if isSecret(p.Name) {
			p.Hide()
		}
		out.Parts = append(out.Parts, p)
	}
	slices.SortFunc(out.Parts, func(a, b canonical.Part) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// free returns the form of what JSON knows.
func free(v any) canonical.Value {
	switch x := v.(type) {
	case nil:
		return canonical.Value{Shape: canonical.Plain, Text: "null"}
	case bool:
		return canonical.Value{Shape: canonical.Plain, Text: strconv.FormatBool(x)}
	case json.Number:
		return canonical.Value{Shape: canonical.Plain, Text: x.String()}
	case []any:
		out := canonical.Value{Shape: canonical.List}
		for i, item := range x {
			out.Parts = append(out.Parts, canonical.Part{Index: i, Value: free(item)})
		}
		return out
	case map[string]any:
		out := canonical.Value{Shape: canonical.Mapping}
		for _, name := range slices.Sorted(maps.Keys(x)) {
			p := canonical.Part{Name: name, Value: free(x[name])}
			if isSecret(name) {
				p.Hide()
			}
			out.Parts = append(out.Parts, p)
		}
		return out
	}
	return canonical.Value{Text: fmt.Sprint(v)}
}

// isSecret reports the name of a value that whoever reads differences should not read, as it may be a secret. References to
// secrets have types of their own.
func isSecret(name string) bool {
	lower := strings.ToLower(name)
	return slices.ContainsFunc([]string{"secret", "password", "passwd", "authorization", "cookie", "credential", "api-key", "apikey", "api_key", "token"},
		func(word string) bool { return strings.Contains(lower, word) })
}

func (f *forms) fields(t reflect.Type) *record {
	rec, ok := f.records[t]
	if !ok {
		rec = readRecord(t)
		f.records[t] = rec
	}
	return rec
}

// record returns what is known about the fields of a struct type.
func (f *forms) record(t reflect.Type) *canonical.Record {
	if known, ok := f.known[t]; ok {
		return known
	}
	out := &canonical.Record{Order: map[string]int{}, Defaults: map[string]string{}, Inner: map[string]*canonical.Record{}}
	f.known[t] = out
	for i, r := range f.fields(t).rules {
		out.Order[r.name] = i
		if r.standard != "" {
			out.Defaults[r.name] = r.standard
		}
		inner := t.FieldByIndex(r.index).Type
		if _, own := reflect.TypeAssert[former](reflect.New(inner)); inner.Kind() == reflect.Struct && r.reserved == "" && !own && !r.required {
			if _, text := reflect.TypeAssert[texter](reflect.New(inner)); !text {
				out.Inner[r.name] = f.record(inner)
			}
		}
	}
	return out
}

// fromRoot returns the path of a file as it is written at the root of the documents.
func fromRoot(folder, named string) string {
	if named == "" || path.IsAbs(named) {
		return named
	}
	return "./" + path.Join(folder, named)
}
