package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/suggest"
)

// Bounds of one document.
const (
	maxDepth    = 64
	maxUnfolded = 100_000 // Values reached through aliases.
)

// texter is a value that is written as text.
type texter interface {
	// parse reads the text. The error says what to write instead; a mistake with a code of its own is a *refusal.
	parse(text string) error
}

// shorthand is an object that may be written as the value of one of its fields alone.
type shorthand interface {
	short() (field string)
}

// noder is a value that reads its YAML itself.
type noder interface {
	decode(d *decoder, n *yaml.Node, at *field, r *rule)
}

// refusal is an error with the code of the fault it becomes.
type refusal struct {
	code gateway.Code
	text string
}

// Error returns what the fault says.
func (r *refusal) Error() string { return r.text }

// decoder fills document structs from YAML and reports all that does not fit, at its place.
type decoder struct {
	report   func(code gateway.Code, n *yaml.Node, at *field, message string)
	records  map[reflect.Type]*record
	depth    int
	unfolded int // Values read below an alias so far.
	aliases  int // Aliases around the value that is being read.
	spent    bool
}

func (d *decoder) fault(code gateway.Code, n *yaml.Node, at *field, format string, args ...any) {
	d.report(code, n, at, fmt.Sprintf(format, args...))
}

func (d *decoder) record(t reflect.Type) *record {
	rec, ok := d.records[t]
	if !ok {
		rec = readRecord(t)
		d.records[t] = rec
	}
	return rec
}

// value reads one value as r (nil: no rule) allows.
func (d *decoder) value(n *yaml.Node, v reflect.Value, at *field, r *rule) {
	n, leave, ok := d.enter(n, at)
	defer leave()
	if !ok {
		return
	}
	if isNull(n) && v.Kind() != reflect.Interface {
		d.fault(gateway.CodeWrongType, n, at, "nothing is written here: write a value, or remove the field")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch x := v.Addr().Interface().(type) {
	case noder:
		x.decode(d, n, at, r)
		return
	case texter:
		if n.Kind == yaml.ScalarNode || v.Kind() != reflect.Struct || len(d.record(v.Type()).rules) == 0 {
			d.parsed(n, x, at)
			return
		}
	case shorthand:
		if n.Kind == yaml.ScalarNode {
			d.short(n, v, at, x.short())
			return
		}
	}
	d.plain(n, v, at, r)
}

// plain reads a value of a type without a form of its own.
func (d *decoder) plain(n *yaml.Node, v reflect.Value, at *field, r *rule) {
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, at)
	case reflect.Slice:
		d.list(n, v, at, r)
	case reflect.Map:
		d.entries(n, v, at)
	case reflect.Interface:
		if value, ok := d.free(n, at); ok && value != nil {
			v.Set(reflect.ValueOf(value))
		}
	case reflect.Int:
		d.integer(n, v, at, r)
	case reflect.Bool:
		d.boolean(n, v, at, r)
	default:
		d.word(n, v, at, r)
	}
}

// enter follows an alias and keeps the bounds. leave must be called in any case.
func (d *decoder) enter(n *yaml.Node, at *field) (resolved *yaml.Node, leave func(), ok bool) {
	alias := n.Kind == yaml.AliasNode
	d.depth++
	if alias {
		d.aliases++
	}
	leave = func() {
		d.depth--
		if alias {
			d.aliases--
		}
	}
	if d.aliases > 0 {
		d.unfolded++
	}
	if d.depth > maxDepth || d.unfolded > maxUnfolded {
		if !d.spent {
			d.fault(gateway.CodeTooLarge, n, at, "the aliases unfold to too much: write the values out, or fewer of them")
		}
		d.spent, d.unfolded = true, maxUnfolded+1
		return n, leave, false
	}
	if alias {
		n = n.Alias
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.fault(gateway.CodeSyntax, n, at, "documents do not use tags such as %s: write text in quotes, and everything else plainly", n.Tag)
		return n, leave, false
	}
	return n, leave, true
}

// object reads a mapping into a struct.
func (d *decoder) object(n *yaml.Node, v reflect.Value, at *field) {
	if n.Kind != yaml.MappingNode {
		d.fault(gateway.CodeWrongType, n, at, "a mapping is meant here, with the fields %s; this is %s",
			strings.Join(d.record(v.Type()).names(), ", "), describe(n))
		return
	}
	rec := d.record(v.Type())
	written := map[string]bool{}
	for key, value := range d.pairs(n, at) {
		r, known := rec.byName[key.Value]
		if !known {
			d.unknown(key, at, rec)
			continue
		}
		written[r.name] = true
		here := at.child(r.name)
		if r.reserved != "" {
			d.fault(gateway.CodeReserved, key, here, "%s is not available yet: %s", r.name, r.reserved)
			continue
		}
		d.value(value, v.FieldByIndex(r.index), here, r)
	}
	for _, r := range rec.rules {
		if r.required && !written[r.name] && !merges(n) {
			d.fault(gateway.CodeMissingField, beginning(n), at.child(r.name), "the field %s is missing: write it", r.name)
		}
	}
}

// short reads the value of one field, which stands for the whole object.
func (d *decoder) short(n *yaml.Node, v reflect.Value, at *field, name string) {
	r := d.record(v.Type()).byName[name]
	d.value(n, v.FieldByIndex(r.index), at.child(name), r)
}

// pairs yields the keys and values of a mapping whose keys are sound, and reports the others.
func (d *decoder) pairs(n *yaml.Node, at *field) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		lines := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind == yaml.AliasNode {
				key = key.Alias
			}
			if key.Kind != yaml.ScalarNode || key.Tag != "!!str" || key.Style&yaml.TaggedStyle != 0 {
				d.badKey(key, at)
				continue
			}
			if line, twice := lines[key.Value]; twice {
				d.fault(gateway.CodeDuplicateKey, key, at.child(key.Value), "the key %q stands already in line %d: remove one of the two", key.Value, line)
				continue
			}
			lines[key.Value] = key.Line
			if !yield(key, value) {
				return
			}
		}
	}
}

// merges reports a mapping with a merge key: which fields it was to have cannot be told.
func merges(n *yaml.Node) bool {
	return slices.ContainsFunc(n.Content, func(inner *yaml.Node) bool { return inner.Tag == "!!merge" })
}

func (d *decoder) badKey(key *yaml.Node, at *field) {
	if key.Tag == "!!merge" {
		d.fault(gateway.CodeSyntax, key, at, "merge keys (<<) are not used: write the fields out, or share a whole value by an alias")
		return
	}
	d.fault(gateway.CodeWrongType, key, at, "a key must be text: write it in quotes")
}

func (d *decoder) unknown(key *yaml.Node, at *field, rec *record) {
	known := rec.names()
	hint := "known here are " + strings.Join(known, ", ")
	if near, ok := suggest.Nearest(key.Value, known); ok {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.fault(gateway.CodeUnknownField, key, at.child(key.Value), "there is no field %q here: %s", key.Value, hint)
}

// list reads a list, or the one item of it that stands without brackets where the rule allows that.
func (d *decoder) list(n *yaml.Node, v reflect.Value, at *field, r *rule) {
	items := n.Content
	if n.Kind != yaml.SequenceNode {
		if r == nil || !r.single {
			d.fault(gateway.CodeWrongType, n, at, "a list is meant here, this is %s: write [ ] around it", describe(n))
			return
		}
		items = []*yaml.Node{n}
	}
	if r != nil && len(items) < r.minItems {
		d.fault(gateway.CodeMissingField, n, at, "the list %s is empty: write at least one entry", r.name)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		d.value(item, v.Index(i), at.item(i), r)
	}
}

// entries reads a mapping whose keys are free.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, at *field) {
	if n.Kind != yaml.MappingNode {
		d.fault(gateway.CodeWrongType, n, at, "a mapping is meant here, this is %s", describe(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for key, value := range d.pairs(n, at) {
		entry := reflect.New(v.Type().Elem()).Elem()
		d.value(value, entry, at.child(key.Value), nil)
		v.SetMapIndex(reflect.ValueOf(key.Value), entry)
	}
}

// allowed reports a value that is not among those of the rule.
func (d *decoder) allowed(n *yaml.Node, text string, at *field, r *rule) bool {
	if r == nil || len(r.enum) == 0 || slices.Contains(r.enum, text) {
		return true
	}
	choice := "write " + oneOf(r.enum)
	if near, ok := suggest.Nearest(text, r.enum); ok {
		choice = fmt.Sprintf("did you mean %q?", near)
	}
	d.fault(gateway.CodeBadValue, n, at, "%s cannot be %q: %s", r.name, text, choice)
	return false
}
