package config

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"reflect"
	"slices"

	"github.com/gatehouse/gatehouse/config/canonical"
	"github.com/gatehouse/gatehouse/gateway"
)

// original is a document as it was read. Its canonical form is made when somebody asks for it: a reload never does.
type original struct {
	object   *object
	document document
}

// Ref returns the key of the object.
func (w *original) Ref() gateway.Ref { return w.object.ref }

// Team returns whose the object is.
func (w *original) Team() string { return w.object.team }

// Origin returns where the document stands.
func (w *original) Origin() gateway.Origin { return w.object.origin() }

// form returns what the document says, without the version of its form. That is nothing where it could not be read.
func (w *original) form(f *forms) canonical.Value {
	if w.document == nil {
		return canonical.Value{Shape: canonical.Mapping}
	}
	f.folder = path.Dir(w.object.file)
	out := f.object(reflect.ValueOf(w.document).Elem())
	out.Parts = slices.DeleteFunc(out.Parts, func(p canonical.Part) bool { return p.Name == "schema" })
	return out
}

// meaning returns what the document says together with what it takes from the files that it names: an API's operations from
// its contract, a Policy's Rego.
func (w *original) meaning(f *forms) canonical.Value {
	out := w.form(f)
	switch d := w.document.(type) {
	case *apiDocument:
		w.sumTranscodings(d, &out)
		w.listed(f, d, &out)
	case *routeDocument:
		w.sumTranscoding(d.Transcode, &out)
	case *policyDocument:
		w.rego(d, &out)
		w.sums(d, &out)
	}
	return out
}

// rego adds the Rego, wherever it stands.
func (w *original) rego(d *policyDocument, out *canonical.Value) {
	rego := canonical.Part{Name: "rego", Value: canonical.Value{Shape: canonical.Lines}}
	switch {
	case d.Rego != nil:
		rego.Text = d.Rego.text
		rego.Place = &canonical.Place{File: w.object.file, Line: d.Rego.line, Column: 1}
	case d.File != "":
		file, err := resolve(w.object.file, string(d.File))
		text, read := w.object.includes[file]
		if err != nil || !read {
			return
		}
		rego.Text = string(text)
		rego.Place = &canonical.Place{File: file, Line: 1, Column: 1}
	default:
		return
	}
	out.Put(rego)
}

// sums says of each file that a Policy reads besides its Rego what is in it, by its hash: the content may be megabytes.
func (w *original) sums(d *policyDocument, out *canonical.Value) {
	sum := func(field *canonical.Part, named filePath) {
		file, err := resolve(w.object.file, string(named))
		if text, read := w.object.includes[file]; field != nil && err == nil && read {
			of := sha256.Sum256(text)
			field.Text += " (sha256 " + hex.EncodeToString(of[:8]) + ")"
		}
	}
	if files := out.Field("data-files"); files != nil {
		for at, named := range d.DataFiles {
			sum(files.Field(at), named)
		}
	}
	sum(out.Field("descriptors"), d.Descriptors)
}

// listed adds what the contract lists: to an operation that the document names its method and path, and the others whole.
func (w *original) listed(f *forms, d *apiDocument, out *canonical.Value) {
	c := w.object.contract
	if c == nil {
		return
	}
	own := out.Field("operations")
	if own == nil {
		rule := f.fields(reflect.TypeFor[apiDocument]()).byName["operations"]
		out.Put(canonical.Part{Name: "operations", Value: canonical.Value{Shape: canonical.List, By: rule.by, Loose: rule.loose}})
		own = out.Field("operations")
	}
	at := make(map[string]int, len(own.Parts))
	for i := range own.Parts {
		if id := own.Parts[i].Field("id"); id != nil {
			at[id.Text] = i
		}
	}
	for i := range c.operations {
		listed := f.operation(&c.operations[i], c.places[i])
		j, known := at[c.operations[i].ID]
		if !known {
			own.Parts = append(own.Parts, listed)
			continue
		}
		written := &own.Parts[j]
		if written.Field("path") != nil || written.Field("path-regex") != nil {
			continue
		}
		for _, p := range listed.Parts[1:] {
			p.Place = listed.Place
			written.Put(p)
		}
	}
	own.Sort()
}

// operation returns an operation of a contract as a document would say it.
func (f *forms) operation(op *gateway.Operation, place gateway.Place) canonical.Part {
	fields := operationFields{ID: name(op.ID), pathFields: pathFields{
		Methods: each(op.Match.Methods, func(m string) method { return method(m) }), Path: &pathTemplate{Path: op.Match.Path},
	}}
	return canonical.Part{
		Place: &canonical.Place{File: place.File, Line: place.Line, Column: place.Column},
		Value: f.object(reflect.ValueOf(&fields).Elem()),
	}
}
