package canonical

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// Side is one of two documents that are compared.
type Side struct {
	Value Value
	// Origin finds the places of its fields.
	Origin gateway.Origin
}

// Compare tells what differs between two documents of one object, field by field in the order of the document.
func Compare(before, after Side) []gateway.FieldChange {
	c := &comparison{}
	c.value("", at{side: &before, value: &before.Value}, at{side: &after, value: &after.Value})
	return c.changes
}

// Fields tells all that a document says, as fields that are added or deleted.
func Fields(kind gateway.ChangeKind, of Side) []gateway.FieldChange {
	c := &comparison{}
	whole := at{side: &of, value: &of.Value}
	for i := range of.Value.Parts {
		p := &of.Value.Parts[i]
		field := whole.field(p)
		if p.Shape != List || p.By == "" || len(p.Parts) == 0 {
			c.single(kind, p.Name, field)
			continue
		}
		for j := range p.Parts {
			item := &p.Parts[j]
			c.single(kind, p.Name+"["+field.label(item)+"]", field.item(item))
		}
	}
	return c.changes
}

// at is a value of a document: where it is found there, and where it stands if that is elsewhere.
type at struct {
	side  *Side
	way   *step
	place *Place
	value *Value
}

// step is the last step of the way to a value, in its document. It is spelt only where something differs.
type step struct {
	up    *step
	name  string
	index int // Where name is empty.
}

// String returns the way as documents spell it.
func (s *step) String() string {
	switch {
	case s == nil:
		return ""
	case s.name == "":
		return s.up.String() + "[" + strconv.Itoa(s.index) + "]"
	}
	return joined(s.up.String(), s.name)
}

func (a at) field(p *Part) at {
	return a.inner(p, &step{up: a.way, name: p.Name})
}

func (a at) item(p *Part) at { return a.inner(p, &step{up: a.way, index: p.Index}) }

func (a at) inner(p *Part, way *step) at {
	inner := at{side: a.side, way: way, place: a.place, value: &p.Value}
	if p.Place != nil {
		inner.place = p.Place
	}
	return inner
}

// label is how an item of a list is named: by its key where no other has that, else by its position.
func (a at) label(item *Part) string {
	key := a.value.key(*item)
	twice := 0
	for _, other := range a.value.Parts {
		if a.value.key(other) == key {
			twice++
		}
	}
	if a.value.By == "" || key == "" || twice > 1 {
		return strconv.Itoa(item.Index)
	}
	return key
}

// position returns the place of the value in its file.
func (a at) position() gateway.Place {
	place := a.side.Origin.At(a.way.String())
	if a.place != nil {
		place.File, place.Line, place.Column = a.place.File, a.place.Line, a.place.Column
	}
	return place
}

// comparison collects what differs.
type comparison struct{ changes []gateway.FieldChange }

// single adds a field that is only on one side.
func (c *comparison) single(kind gateway.ChangeKind, field string, of at) {
	change := gateway.FieldChange{Kind: kind, Field: field, Place: of.position()}
	if kind == gateway.Deleted {
		change.Before = bounded(Shown(*of.value))
	} else {
		change.After = bounded(Shown(*of.value))
	}
	c.changes = append(c.changes, change)
}

// both adds a field that is another on either side.
func (c *comparison) both(field, before, after string, place gateway.Place) {
	c.changes = append(c.changes, gateway.FieldChange{
		Kind: gateway.Changed, Field: field, Before: bounded(before), After: bounded(after), Place: place,
	})
}

// mapping compares two mappings of one record.
func (c *comparison) mapping(path string, before, after at) {
	record := after.value.Record
	old, now := before.value.Parts, after.value.Parts
	for len(old)+len(now) > 0 {
		order := 0
		switch {
		case len(now) == 0:
			order = -1
		case len(old) == 0:
			order = 1
		default:
			order = record.compare(old[0].Name, now[0].Name)
		}
		switch {
		case order < 0:
			c.lone(gateway.Deleted, path, record, before, &old[0])
			old = old[1:]
		case order > 0:
			c.lone(gateway.Added, path, record, after, &now[0])
			now = now[1:]
		default:
			c.value(joined(path, now[0].Name), before.field(&old[0]), after.field(&now[0]))
			old, now = old[1:], now[1:]
		}
	}
}

// lone adds a field of a mapping that the other one does not say: there its default holds, if it has one.
func (c *comparison) lone(kind gateway.ChangeKind, path string, record *Record, whole at, p *Part) {
	field, name := whole.field(p), joined(path, p.Name)
	if record != nil && record.Inner[p.Name] != nil {
		nothing := field
		nothing.value = &Value{Shape: Mapping, Record: p.Record}
		if kind == gateway.Deleted {
			c.mapping(name, field, nothing)
		} else {
			c.mapping(name, nothing, field)
		}
		return
	}
	standard := ""
	if record != nil {
		standard = record.Defaults[p.Name]
	}
	switch {
	case standard == "":
		c.single(kind, name, field)
	case kind == gateway.Deleted:
		c.both(name, Shown(p.Value), standard, field.position())
	default:
		c.both(name, standard, Shown(p.Value), field.position())
	}
}

// value compares two values of one field.
func (c *comparison) value(path string, before, after at) {
	b, a := before.value, after.value
	switch {
	case b.same(a):
	case b.Shape != a.Shape:
		c.both(path, Shown(*b), Shown(*a), after.position())
	case a.Shape == Mapping:
		c.mapping(path, before, after)
	case a.Shape == List && a.By != "":
		c.items(path, before, after)
	case a.Shape == List:
		c.list(path, before, after)
	case a.Shape == Lines && !a.Secret:
		c.lines(path, before, after)
	default:
		c.both(path, Shown(*b), Shown(*a), after.position())
	}
}

// list compares two lists by position, and lists of single values as a whole.
func (c *comparison) list(path string, before, after at) {
	old, now := before.value.Parts, after.value.Parts
	single := func(p Part) bool { return p.Shape != Mapping && p.Shape != List }
	if slices.ContainsFunc(old, single) || slices.ContainsFunc(now, single) || len(old) == 0 || len(now) == 0 {
		c.both(path, Shown(*before.value), Shown(*after.value), after.position())
		return
	}
	for i := range max(len(old), len(now)) {
		name := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i >= len(now):
			c.single(gateway.Deleted, name, before.item(&old[i]))
		case i >= len(old):
			c.single(gateway.Added, name, after.item(&now[i]))
		default:
			c.value(name, before.item(&old[i]), after.item(&now[i]))
		}
	}
}

func joined(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// maxShown bounds what is shown of one value.
const maxShown = 2000

func bounded(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "..."
}
