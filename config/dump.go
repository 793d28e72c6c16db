package config

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/gatehouse/gatehouse/config/canonical"
	"github.com/gatehouse/gatehouse/gateway"
)

// maxDumped is how large a file of documents may get.
const maxDumped = maxFileBytes / 2

// Dump writes the documents of a configuration (docs.Written, nothing else of docs) in their canonical form: files of
// documents by kind, and the files that the documents include, by their paths. Loading them again brings the same objects, and
// dumping these the same bytes. Secrets stand there as the references that were written; watched files, such as key sets
// and certificates, are not among the files.
func Dump(docs *gateway.Documents) map[string][]byte {
	all := originals(docs)
	out := map[string][]byte{}
	for _, w := range all {
		maps.Copy(out, w.object.includes)
	}
	d := &dump{files: out}
	f := newForms()
	for _, ref := range sortedRefs(all, nil) {
		if all[ref].document != nil {
			d.add(ref.Kind, canonical.Write(all[ref].form(f)))
		}
	}
	d.close()
	return out
}

// dump writes files of documents, one after the other.
type dump struct {
	files map[string][]byte
	kind  gateway.Kind
	open  bytes.Buffer
}

func (d *dump) add(kind gateway.Kind, text []byte) {
	if kind != d.kind || d.open.Len()+len(text) > maxDumped {
		d.close()
		d.kind = kind
		d.open.WriteString("schema: 1\n")
	} else {
		d.open.WriteString("---\n")
	}
	d.open.Write(text)
}

// close puts the file into one of its kind's name, or of the first such name with a number that is free.
func (d *dump) close() {
	if d.open.Len() == 0 {
		return
	}
	base := plural(d.kind)
	file := base + ".yaml"
	for n := 2; d.files[file] != nil; n++ {
		file = fmt.Sprintf("%s-%d.yaml", base, n)
	}
	d.files[file] = bytes.Clone(d.open.Bytes())
	d.open.Reset()
}

// plural returns what several objects of a kind are called.
func plural(kind gateway.Kind) string {
	lower := strings.ToLower(string(kind))
	if stem, ok := strings.CutSuffix(lower, "cy"); ok {
		return stem + "cies"
	}
	return lower + "s"
}
