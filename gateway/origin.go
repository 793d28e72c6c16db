package gateway

import (
	"cmp"
	"fmt"
)

// Origin tells where an object was written, so that whatever is found wrong with it later can name the place.
type Origin struct {
	Source string // The source that the file belongs to; empty: the watched directory.
	File   string
	Line   int // 1-based; 0: unknown.
	Column int // 1-based; 0: unknown.
	// Find returns line and column of a field given by its path ("operations[2].path"), or of the nearest enclosing field
	// that is written out. nil: only the object's own place is known.
	Find func(field string) (line, column int)
}

// At returns the place of a field of the object.
func (o Origin) At(field string) Place {
	p := Place{Source: o.Source, File: o.File, Line: o.Line, Column: o.Column}
	if o.Find != nil && field != "" {
		if line, column := o.Find(field); line > 0 {
			p.Line, p.Column = line, column
		}
	}
	return p
}

// Place is a position in a file of a source.
type Place struct {
	Source string `json:"source,omitempty" doc:"The source that the file belongs to; absent for the watched directory"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// In returns the place as somebody sees it who speaks of a source's files anyway: a place in that source names the file alone.
func (p Place) In(source string) Place {
	if p.Source == source {
		p.Source = ""
	}
	return p
}

// String returns "file:line:column", leaving out what is unknown, and before it "source:" where that is not the watched directory.
func (p Place) String() string {
	if p.Source != "" {
		return p.Source + ":" + p.In(p.Source).String()
	}
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Ref names an object: its key is kind, name and, for an API, version.
type Ref struct {
	Kind    Kind   `json:"kind"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// String returns "kind name" or "kind name/version", and nothing for no object.
func (r Ref) String() string {
	if r == (Ref{}) {
		return ""
	}
	if r.Version == "" {
		return string(r.Kind) + " " + r.Name
	}
	return string(r.Kind) + " " + r.Name + "/" + r.Version
}

// Compare orders names by kind, name and version, for slices.SortFunc.
func (r Ref) Compare(other Ref) int {
	return cmp.Or(cmp.Compare(r.Kind, other.Kind), cmp.Compare(r.Name, other.Name), cmp.Compare(r.Version, other.Version))
}

// Ref returns the key of the API or Route document.
func (a *API) Ref() Ref { return Ref{Kind: a.Kind, Name: a.Name, Version: a.Version} }

// Writes reports whether a field at the top of the object is written out: it has a place of its own then. None is of an object
// that was not read from a document.
func (o Origin) Writes(field string) bool { return o.At(field) != o.At("") }
