package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/gatehouse/gatehouse/gateway"
)

// Edit changes one object by the text of its document. Exactly one of Document, Set and Remove is given.
type Edit struct {
	Object   gateway.Ref
	Document string     // The whole document as YAML, in place of the one there is, or new.
	New      bool       // With Document: only where there is none of that name.
	Set      []SetField // Fields to write; comments and the order of all others stay.
	Remove   bool       // Remove the document, and its file where no other is in it.
	File     string     // Where a new document goes; "objects.yaml" where empty.
}

// SetField writes one field of a document.
type SetField struct {
	// Field is its path, as changes spell it: retries.attempts, listeners[https].port, to[payments].weight. What is not there on the
	// way is made, an item of a list that has a name too.
	Field string
	Value string // As YAML; empty removes the field, or the item of a list.
}

// objectsFile is where new documents go.
const objectsFile = "objects.yaml"

// Edited returns the files of a source after edits. What is not edited stays to the byte: other documents, other fields, comments,
// blank lines, quotes. files is not changed. With faults, which name document, file, line and field, nothing is to be used; whether
// the outcome makes sense only loading it tells.
func Edited(files map[string][]byte, edits []Edit) (map[string][]byte, gateway.Faults) {
	e := &editor{files: maps.Clone(files)}
	if e.files == nil {
		e.files = map[string][]byte{}
	}
	for i := range edits {
		e.edit(&edits[i])
	}
	return e.files, e.faults
}

// editor makes one edit after the other.
type editor struct {
	files  map[string][]byte
	faults gateway.Faults
}

func (e *editor) edit(change *Edit) {
	given := 0
	for _, is := range []bool{change.Document != "", len(change.Set) > 0, change.Remove} {
		if is {
			given++
		}
	}
	switch s, found := e.find(change.Object); {
	case given != 1:
		e.fault(gateway.CodeConflict, s, change.Object, "", "an edit is a document, fields or a removal: give one of them")
	case found && !utf8.Valid(e.files[s.File]): // Where documents begin and end in it depends on how far ahead its reader looks.
		e.fault(gateway.CodeSyntax, s, change.Object, "", fmt.Sprintf("the file %s is not all UTF-8: correct that first", s.File))
	case change.Document != "" && found && change.New:
		e.fault(gateway.CodeDuplicate, s, change.Object, "name", fmt.Sprintf("%s is there already: change it, or choose another name", change.Object))
	case change.Document != "":
		e.write(s, found, change)
	case !found:
		e.fault(gateway.CodeDangling, s, change.Object, "", fmt.Sprintf("there is no %s here: correct kind, name or version", change.Object))
	case change.Remove:
		e.files = Without(e.files, []gateway.Ref{change.Object})
	default:
		for _, set := range change.Set {
			s.Text = e.set(s, set)
		}
		e.put(s)
	}
}

func (e *editor) fault(code gateway.Code, s Slice, object gateway.Ref, field, message string) {
	place := gateway.Place{File: s.File}
	if s.File != "" {
		place.Line, place.Column = spotIn(s).find(field)
		place.Line += s.Line - 1
	}
	e.faults = append(e.faults, gateway.Fault{Code: code, Place: place, Field: field, Object: object, Message: oneLine(message)})
}

// find returns the text of an object's document. Only files that hold its name are looked through, unless that may be spelt
// otherwise there.
func (e *editor) find(object gateway.Ref) (Slice, bool) {
	for _, all := range []bool{false, true} {
		for _, file := range slices.Sorted(maps.Keys(e.files)) {
			text := e.files[file]
			if holds := bytes.Contains(text, []byte(object.Name)); holds == all || !isDocuments(file, text) {
				continue
			}
			for _, s := range slicesOf(file, text) {
				if s.Ref == object && s.Document {
					return s, true
				}
			}
		}
	}
	return Slice{}, false
}

// write puts a whole document in place of the one there is, or adds it.
func (e *editor) write(s Slice, found bool, change *Edit) {
	document := change.Document
	if document[len(document)-1] != '\n' {
		document += "\n"
	}
	parts := slicesOf("document.yaml", []byte("---\n"+document))
	parts = slices.DeleteFunc(parts, func(p Slice) bool { return !p.Document })
	if len(parts) != 1 || parts[0].Ref != change.Object {
		e.fault(gateway.CodeSyntax, s, change.Object, "", fmt.Sprintf("the text is not the document of %s: write one document of that kind and name", change.Object))
		return
	}
	if !found {
		file := change.File
		if file == "" {
			file = objectsFile
		}
		appendDocuments(e.files, file, []string{document})
		return
	}
	border := ""
	if row := firstLine(s.Text); isBorder([]byte(row)) {
		border = "---\n"
	}
	if s.first(e.files[s.File]) {
		document = declaring(document)
	} else {
		document = undeclared(document)
	}
	if isBorder([]byte(document)) {
		border = ""
	}
	s.Text = border + document
	e.put(s)
}

// put writes a document back into its file. Its place is found by its line.
func (e *editor) put(s Slice) {
	text := e.files[s.File]
	var out bytes.Buffer
	for _, other := range slicesOf(s.File, text) {
		if other.Line == s.Line {
			other.Text = s.Text
		}
		out.WriteString(other.Text)
	}
	e.files[s.File] = out.Bytes()
}

// first reports whether a document is the first one of its file.
func (s Slice) first(text []byte) bool {
	all := slicesOf(s.File, text)
	at := slices.IndexFunc(all, func(other Slice) bool { return other.Document })
	return at >= 0 && all[at].Line == s.Line
}

func firstLine(text string) string {
	for row := range bytes.Lines([]byte(text)) {
		return string(row)
	}
	return ""
}
