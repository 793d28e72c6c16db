package config

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/config/edit"
	"github.com/gatehouse/gatehouse/gateway"
)

// Slice is the text of one document of a file, with the mark before it.
type Slice struct {
	Ref  gateway.Ref // Zero where kind and name cannot be read, or where there is no document between two marks.
	File string
	Line int // On which the text begins.
	Text string
	// Document says that there is a document in it.
	Document bool
}

// Slices cuts every file of documents into its documents, in order of paths. The texts of the slices of a file, joined, are the file.
func Slices(files map[string][]byte) []Slice {
	var out []Slice
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if isDocuments(file, files[file]) {
			out = append(out, slicesOf(file, files[file])...)
		}
	}
	return out
}

// isDocuments reports a file that the loader takes for one of documents, as far as its path and first lines tell.
func isDocuments(file string, text []byte) bool {
	if !isYAML(file) || looksLikeContract(text) {
		return false
	}
	return !slices.ContainsFunc(strings.Split(file, "/"), func(part string) bool { return strings.HasPrefix(part, ".") })
}

// slicesOf cuts one file; nothing comes out where its first document says that it holds none.
func slicesOf(file string, text []byte) []Slice {
	var out []Slice
	number, begun, at := 1, 0, 0
	for row := range bytes.Lines(text) {
		if at > 0 && isBorder(row) {
			out = append(out, Slice{File: file, Line: number, Text: string(text[begun:at])})
			number, begun = number+lastLine(text[begun:at])-1, at
		}
		at += len(row)
	}
	out = append(out, Slice{File: file, Line: number, Text: string(text[begun:])})
	l := newLoader(nil, Options{})
	for i, p := range l.split(file, text) {
		if i == 0 && p.root != nil && lookup(p.root, "schema") == nil && lookup(p.root, "kind") == nil {
			return nil
		}
		line := int(p.object.spots.line)
		at, exact := slices.BinarySearchFunc(out, line, func(s Slice, line int) int { return s.Line - line })
		if !exact {
			at--
		}
		switch {
		case at < 0:
		case out[at].Document: // A border that only YAML sees: which text is whose cannot be told.
			out[at].Ref = gateway.Ref{}
		default:
			out[at].Ref, out[at].Document = p.object.ref, true
		}
	}
	return out
}

// Without returns files without the documents of these objects. A file without documents left is left out. Whatever else is in
// the files stays to the byte.
func Without(files map[string][]byte, objects []gateway.Ref) map[string][]byte {
	if len(objects) == 0 {
		return maps.Clone(files)
	}
	gone := setOf(objects)
	return filtered(files, func(ref gateway.Ref) bool { return !gone[ref] })
}

func setOf(objects []gateway.Ref) map[gateway.Ref]bool {
	set := make(map[gateway.Ref]bool, len(objects))
	for _, ref := range objects {
		set[ref] = true
	}
	return set
}

// filtered returns files with only those documents whose objects are kept.
func filtered(files map[string][]byte, keep func(gateway.Ref) bool) map[string][]byte {
	out := maps.Clone(files)
	byFile := map[string][]Slice{}
	for _, s := range Slices(files) {
		byFile[s.File] = append(byFile[s.File], s)
	}
	for file, all := range byFile {
		kept := slices.DeleteFunc(slices.Clone(all), func(s Slice) bool { return s.Document && !keep(s.Ref) })
		switch {
		case len(kept) == len(all):
		case !slices.ContainsFunc(kept, func(s Slice) bool { return s.Document }):
			delete(out, file)
		default:
			out[file] = []byte(joined(all, kept))
		}
	}
	return out
}

// joined returns what is left of a file. What comments stand before its first document, apart from that by a blank line, stay.
func joined(all, kept []Slice) string {
	if kept[0].Line != all[0].Line {
		kept[0].Text = strings.TrimPrefix(kept[0].Text, "---\n")
		if comments := preamble(all[0].Text); comments != "" {
			kept[0].Text = comments + kept[0].Text
		}
	}
	first := slices.IndexFunc(kept, func(s Slice) bool { return s.Document })
	kept[first].Text = declaring(kept[first].Text)
	var text strings.Builder
	for _, s := range kept {
		text.WriteString(s.Text)
	}
	return text.String()
}

// preamble returns the comments with which a text begins, up to the last blank line before anything else.
func preamble(text string) string {
	end, at := 0, 0
	for row := range strings.Lines(text) {
		at += len(row)
		blank := strings.TrimSpace(row) == ""
		if !blank && row[0] != '#' {
			break
		}
		if blank {
			end = at
		}
	}
	if strings.Contains(text[:end], "#") {
		return text[:end]
	}
	return ""
}

// declaring returns a document's text with `schema: 1` in it.
func declaring(text string) string {
	out, err := edit.Set([]byte(text), []edit.Step{{Name: "schema", Order: []string{"schema"}}}, "1")
	if err != nil {
		return text // What cannot be read declares nothing.
	}
	return string(out)
}

// undeclared returns a document's text without `schema: 1`, as it stands behind another.
func undeclared(text string) string {
	out, err := edit.Remove([]byte(text), []edit.Step{{Name: "schema"}})
	if err != nil {
		return text
	}
	return string(out)
}

// Keep returns files with the documents of these objects as they stand in other files, by text: each in the file of the same path,
// with the files that it names where there are none of these paths.
func Keep(files, from map[string][]byte, objects []gateway.Ref) map[string][]byte {
	out := maps.Clone(files)
	if out == nil {
		out = map[string][]byte{}
	}
	if len(objects) == 0 {
		return out
	}
	wanted := setOf(objects)
	kept := filtered(from, func(ref gateway.Ref) bool { return wanted[ref] })
	for file, text := range namedBy(kept) {
		if _, there := out[file]; !there {
			out[file] = text
		}
	}
	documents := map[string][]string{}
	for _, s := range Slices(kept) {
		if s.Document && wanted[s.Ref] {
			documents[s.File] = append(documents[s.File], s.Text)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(documents)) {
		appendDocuments(out, file, documents[file])
	}
	return out
}

// namedBy returns the files that the documents of files name, whatever they are for.
func namedBy(files map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	stored, err := FS(files)
	if err != nil {
		return out
	}
	l := newLoader(stored, Options{})
	for _, file := range l.walk() {
		l.file(file)
	}
	l.build()
	for _, p := range l.pending {
		maps.Copy(out, p.object.includes)
	}
	for file := range l.outside {
		if text, there := files[file]; there {
			out[file] = text
		}
	}
	return out
}

// appendDocuments adds documents at the end of a file, or of another in the same folder where that file is none of documents.
func appendDocuments(files map[string][]byte, file string, documents []string) {
	file = fileFor(files, file)
	text := slices.Clone(files[file]) // Others may have what stands there.
	for _, document := range documents {
		if len(text) == 0 {
			text = []byte(declaring(strings.TrimPrefix(document, "---\n")))
			continue
		}
		if text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		if document = undeclared(document); !isBorder([]byte(document)) {
			text = append(text, "---\n"...)
		}
		text = append(text, document...)
	}
	files[file] = text
}

// fileFor returns the path of a file of documents, or of one that there is not.
func fileFor(files map[string][]byte, file string) string {
	free := func(file string) bool {
		text, there := files[file]
		return !there || isDocuments(file, text) && len(slicesOf(file, text)) > 0
	}
	folder := path.Dir(file)
	for i := 0; !free(file); i++ {
		file = path.Join(folder, "objects"+strings.Repeat("-more", i)+".yaml")
	}
	return file
}
