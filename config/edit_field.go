package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/gatehouse/gatehouse/config/edit"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/suggest"
)

// set returns the text of a document after one field of it is written or removed; the same text where that cannot be.
func (e *editor) set(s Slice, change SetField) string {
	doc := newDocument(s.Ref.Kind)
	steps, err := (&pathReader{records: map[reflect.Type]*record{}}).read(reflect.TypeOf(doc).Elem(), change.Field)
	if err == nil && (change.Field == "kind" || change.Field == "name" || change.Field == "version" || change.Field == "schema") {
		err = &refusal{code: gateway.CodeConflict, text: fmt.Sprintf("%s tells which object this is: remove the object, and add one of the other name", change.Field)}
	}
	if _, broken := trees([]byte(change.Value)); err == nil && broken != nil {
		err = &refusal{code: broken.code, text: fmt.Sprintf("the value of %s: %s", change.Field, broken.text)}
	}
	var out []byte
	switch {
	case err != nil:
	case strings.TrimSpace(change.Value) == "":
		out, err = edit.Remove([]byte(s.Text), steps)
	default:
		out, err = edit.Set([]byte(s.Text), steps, change.Value)
	}
	if err == nil {
		return string(out)
	}
	code, text := gateway.CodeBadValue, fmt.Sprintf("%s cannot be edited: %s", change.Field, strings.ReplaceAll(err.Error(), "\n", ": "))
	switch own, ok := errors.AsType[*refusal](err); {
	case ok:
		code, text = own.code, own.text
	case errors.Is(err, edit.ErrNoYAML):
		code = gateway.CodeSyntax
	case errors.Is(err, edit.ErrNoValue):
		code, text = gateway.CodeMissingField, fmt.Sprintf("there is no %s here: correct the path", change.Field)
	}
	e.fault(code, s, s.Ref, change.Field, text)
	return s.Text
}

// spotIn returns the places of a document's fields inside its own text.
func spotIn(s Slice) *spot {
	roots, _ := trees([]byte(s.Text))
	if len(roots) == 0 {
		return &spot{line: 1, column: 1}
	}
	return spotsOf(roots[0])
}

// pathReader turns the path of a field into steps, by the structs into which documents are read.
type pathReader struct{ records map[reflect.Type]*record }

func (p *pathReader) record(t reflect.Type) *record {
	if p.records[t] == nil {
		p.records[t] = readRecord(t)
	}
	return p.records[t]
}

func (p *pathReader) read(t reflect.Type, path string) (steps []edit.Step, err error) {
	var r *rule
	for rest := path; rest != ""; {
		var s edit.Step
		if s, t, r, rest, err = p.step(t, r, path, rest); err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		return nil, unknownPath(path, "it is empty")
	}
	return steps, nil
}

func unknownPath(path, why string) error {
	return &refusal{code: gateway.CodeUnknownField, text: fmt.Sprintf("the path %q leads nowhere: %s", path, why)}
}

// step reads the first step of what is left of a path: into a value of type t, which r says more about.
func (p *pathReader) step(t reflect.Type, r *rule, path, rest string) (edit.Step, reflect.Type, *rule, string, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[endpointsFields]() {
		if inner := p.record(t).byName["list"]; rest[0] == '[' {
			t, r = t.FieldByIndex(inner.index).Type, inner
		} else {
			t = reflect.TypeFor[endpointSourceFields]()
		}
	}
	switch {
	case rest[0] == '[' && (t.Kind() == reflect.Slice || t.Kind() == reflect.Interface):
		return p.item(t, r, path, rest)
	case rest[0] == '[':
		return edit.Step{}, nil, nil, "", unknownPath(path, "what stands before the bracket is no list")
	case t.Kind() == reflect.Struct && len(p.record(t).rules) > 0:
		return p.field(t, path, rest)
	case t.Kind() == reflect.Map || t.Kind() == reflect.Interface:
		name, after := rest, ""
		inner := reflect.TypeFor[any]()
		if t.Kind() == reflect.Map {
			inner = t.Elem()
		}
		if inner.Kind() != reflect.String { // Names of labels may hold dots, and nothing is inside of them.
			name, after = cutName(rest)
		}
		return edit.Step{Name: name}, inner, nil, after, nil
	}
	return edit.Step{}, nil, nil, "", unknownPath(path, "there is nothing inside of a single value")
}

// cutName cuts a path behind the name with which it begins.
func cutName(rest string) (name, after string) {
	at := strings.IndexAny(rest, ".[")
	if at < 0 {
		return rest, ""
	}
	return rest[:at], strings.TrimPrefix(rest[at:], ".")
}

func (p *pathReader) field(t reflect.Type, path, rest string) (edit.Step, reflect.Type, *rule, string, error) {
	name, after := cutName(rest)
	rec := p.record(t)
	r := rec.byName[name]
	if r == nil {
		if near, ok := suggest.Nearest(name, rec.names()); ok {
			return edit.Step{}, nil, nil, "", unknownPath(path, fmt.Sprintf("there is no field %q, did you mean %q?", name, near))
		}
		return edit.Step{}, nil, nil, "", unknownPath(path, fmt.Sprintf("there is no field %q, known here are %s", name, strings.Join(rec.names(), ", ")))
	}
	if r.reserved != "" {
		return edit.Step{}, nil, nil, "", &refusal{code: gateway.CodeReserved, text: fmt.Sprintf("%s is not available yet: %s", name, r.reserved)}
	}
	s := edit.Step{Name: name}
	for _, other := range rec.rules {
		s.Order = append(s.Order, other.name)
	}
	if short, ok := reflect.TypeAssert[shorthand](reflect.Zero(t)); ok {
		s.Short = short.short()
	}
	return s, t.FieldByIndex(r.index).Type, r, after, nil
}

// item reads "[key]". A key may hold brackets itself, as an address does: it ends where the path goes on or ends.
func (p *pathReader) item(t reflect.Type, r *rule, path, rest string) (edit.Step, reflect.Type, *rule, string, error) {
	for at := range len(rest) {
		if rest[at] != ']' || at+1 < len(rest) && rest[at+1] != '.' && rest[at+1] != '[' {
			continue
		}
		s := edit.Step{Key: rest[1:at]}
		inner := reflect.TypeFor[any]()
		if t.Kind() == reflect.Slice {
			inner = t.Elem()
		}
		if r != nil {
			s.By, s.Single = r.by, r.single
		}
		return s, inner, nil, strings.TrimPrefix(rest[at+1:], "."), nil
	}
	return edit.Step{}, nil, nil, "", unknownPath(path, `"[" without "]"`)
}
