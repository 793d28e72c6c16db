// Package canonical is what a document says, written in the one way there is to write it: every shorthand in its long form,
// defaults left out, fields in one order, lists whose order means nothing sorted.
//
// In: Values, as config builds them of documents that were read. Out: their text as YAML, to the byte the same for the
// same Value (Write, Line), and what differs between two of them, field by field (Compare). It reads no YAML and knows no kind of
// document.
package canonical

import (
	"cmp"
	"slices"
)

// Shape says what a Value is.
type Shape uint8

// The shapes of a Value.
const (
	Text    Shape = iota // Text, quoted where a reader might take it for anything else.
	Plain                // A number, true, false or null, as it is written.
	Lines                // Text of many lines, compared line by line.
	List                 // Parts without names.
	Mapping              // Parts with names.
)

// Value is a part of what a document says.
type Value struct {
	Shape Shape
	Text  string // Of Text, Plain and Lines.
	Parts []Part // Of List and Mapping.

	// By is the field by which the items of a List are told apart. Empty: by their position.
	By string
	// Loose says that the order of a List means nothing.
	Loose bool
	// Secret says that the Text is to be shown to nobody.
	Secret bool
	// Record says which fields a Mapping may have. nil: any, in order of their names.
	Record *Record
}

// Part is a field of a Mapping or an item of a List.
type Part struct {
	Name string // Of a field.
	// Index is the position of an item in its document, where Sort may have moved it.
	Index int
	// Place is where it stands, if that is not in the document itself. Of Lines: where these begin.
	Place *Place
	Value
}

// Place is a place outside of a document, or of the first line of Lines.
type Place struct {
	File         string
	Line, Column int
}

// Record is what is known about the fields of a Mapping.
type Record struct {
	// Order is the position of each field.
	Order map[string]int
	// Defaults is what a field that is not written means, where that is a single value.
	Defaults map[string]string
	// Inner are the fields that are mappings themselves, and that mean the same written as {} and not written.
	Inner map[string]*Record
}

// Field returns the value of a field of a Mapping, nil where it has none.
func (v *Value) Field(name string) *Part {
	for i := range v.Parts {
		if v.Parts[i].Name == name {
			return &v.Parts[i]
		}
	}
	return nil
}

// Put adds a field to a Mapping where its Record says, in place of one of that name.
func (v *Value) Put(p Part) {
	at, found := slices.BinarySearchFunc(v.Parts, p.Name, func(other Part, name string) int {
		return v.Record.compare(other.Name, name)
	})
	if found {
		v.Parts[at] = p
		return
	}
	v.Parts = slices.Insert(v.Parts, at, p)
}

// same reports whether two values say the same, wherever they stand.
func (v *Value) same(other *Value) bool {
	return v.Shape == other.Shape && v.Text == other.Text && len(v.Parts) == len(other.Parts) && sameParts(v.Parts, other.Parts)
}

func sameParts(a, b []Part) bool {
	for i := range a {
		if a[i].Name != b[i].Name || !a[i].same(&b[i].Value) {
			return false
		}
	}
	return true
}

// Hide makes everything in a value a secret.
func (v *Value) Hide() {
	v.Secret = true
	for i := range v.Parts {
		v.Parts[i].Hide()
	}
}

// compare tells which of two fields comes first.
func (r *Record) compare(a, b string) int {
	if r == nil {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(r.Order[a], r.Order[b])
}

// Sort puts a List whose order means nothing into order, without those of its texts that stand there twice.
func (v *Value) Sort() {
	if v.Shape != List || !v.Loose || len(v.Parts) < 2 {
		return
	}
	slices.SortStableFunc(v.Parts, func(a, b Part) int {
		if order := cmp.Compare(v.key(a), v.key(b)); order != 0 || a.Shape != Mapping && b.Shape != Mapping {
			return order
		}
		return cmp.Compare(Line(a.Value), Line(b.Value))
	})
	v.Parts = slices.CompactFunc(v.Parts, func(a, b Part) bool {
		return a.Shape == Text && b.Shape == Text && a.Text == b.Text
	})
}

// key returns what an item of a List is told apart by, where it has that.
func (v *Value) key(item Part) string {
	if item.Shape != Mapping {
		return item.Text
	}
	if by := item.Field(v.By); by != nil {
		return by.Text
	}
	return ""
}
