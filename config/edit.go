package config

import "github.com/gatehouse/gatehouse/gateway"

// Edit changes one object by the text of its document. Exactly one of Document, Set and Remove is given.
type Edit struct {
	Object   gateway.Ref
	Document string     // The whole document as YAML, in place of the one there is, or new.
	New      bool       // With Document: only where there is none of that name.
	Set      []SetField // Fields to write; comments and the order of all others stay.
	Remove   bool       // Remove the document, and its file where nothing is left in it.
	File     string     // Where a new document goes; "objects.yaml" where empty.
}

// SetField writes one field of a document.
type SetField struct {
	Field string // Path inside the document, such as to[payments].weight, listeners[https].port or retries.attempts.
	Value string // As YAML; empty removes the field, or the item of a list.
}

// Edited returns the files of a source after edits. What is not edited stays to the byte: other documents, other fields, comments,
// blank lines, quotes. files is not changed. With faults, which name document, file, line and field, nothing is to be used; whether
// the outcome makes sense only loading it tells.
func Edited(files map[string][]byte, edits []Edit) (map[string][]byte, gateway.Faults) {
	return files, nil
}

// Slice is the text of one document of a file.
type Slice struct {
	Ref  gateway.Ref // Zero where kind and name cannot be read.
	File string
	Line int // On which the text begins.
	Text string
}

// Slices cuts every file of documents into its documents. Joined in order, the slices of a file are the file.
func Slices(files map[string][]byte) []Slice { return nil }

// Without returns files without the documents of these objects. A file without documents left is left out.
func Without(files map[string][]byte, objects []gateway.Ref) map[string][]byte { return files }

// Keep returns files with the documents of these objects as they stand in other files, by text: each in the file of the same path,
// with the files that it includes where there is none of that path.
func Keep(files, from map[string][]byte, objects []gateway.Ref) map[string][]byte { return files }
