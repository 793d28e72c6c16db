package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/suggest"
)

// maxFaults bounds what one Load reports.
const maxFaults = 10_000

// loader carries what one Load needs.
type loader struct {
	fsys      fs.FS
	source    string // Whose files these are; empty: the watched directory's.
	below     fs.FS  // Of a source that was handed in: where files of the daemon's host are, nil for nowhere.
	closed    bool   // The source is a team's, which hands in all that it names: the daemon's host is the platform's.
	opts      Options
	docs      *gateway.Documents
	faults    gateway.Faults
	records   map[reflect.Type]*record
	contracts map[string]*contract
	pending   []pending
	strangers []stranger

	recalled map[string]*memorised        // Files that became what they became before.
	reads    map[string]map[string][]byte // By file, what its documents include.
	passing  map[string]bool              // Files not to be remembered: with faults, or with secrets, which are looked up each time.
	outside  map[string]bool              // Watched files, which are no part of the content.
	watches  map[string]map[string]bool   // By file, those that are watched for its documents.
}

// pending is a document that is read but not built.
type pending struct {
	object   *object
	document document
}

// stranger is a YAML file that does not say that it holds documents.
type stranger struct {
	file  string
	fault gateway.Fault
}

func newLoader(fsys fs.FS, opts Options) *loader {
	return &loader{
		fsys: fsys, opts: opts,
		docs:      newDocuments(),
		records:   map[reflect.Type]*record{},
		contracts: map[string]*contract{},
		recalled:  map[string]*memorised{},
		reads:     map[string]map[string][]byte{},
		passing:   map[string]bool{},
		outside:   map[string]bool{},
		watches:   map[string]map[string]bool{},
	}
}

func newDocuments() *gateway.Documents {
	return &gateway.Documents{Files: map[string][]byte{}, Present: map[string]bool{}, Broken: map[gateway.Ref]bool{}, Written: map[gateway.Ref]gateway.Written{}}
}

// load reads all files.
func (l *loader) load() (*gateway.Documents, gateway.Faults) {
	for _, file := range l.walk() {
		l.file(file)
	}
	if !l.build() {
		l.opts.Memory.files = nil
		again := newLoader(l.fsys, l.opts)
		again.source, again.below, again.closed = l.source, l.below, l.closed
		return again.load()
	}
	l.reportStrangers()
	sortDocuments(l.docs)
	return l.docs, l.faults.Sort()
}

func (l *loader) report(f gateway.Fault) {
	f.Place.Source, f.Message = l.source, oneLine(f.Message)
	switch {
	case len(l.faults) < maxFaults:
		l.faults = append(l.faults, f)
	case len(l.faults) == maxFaults:
		f.Code, f.Message = gateway.CodeTooLarge, fmt.Sprintf("more than %d faults: correct these first", maxFaults)
		l.faults = append(l.faults, f)
	}
}

// file reads one YAML file: documents, or a contract that waits to be named.
func (l *loader) file(file string) {
	text, err := l.read(file)
	if err != nil {
		l.report(gateway.Fault{Code: err.code, Place: gateway.Place{File: file}, Message: err.text})
		return
	}
	if l.recall(file, text) || looksLikeContract(text) {
		return
	}
	first := true
	for _, part := range l.split(file, text) {
		if part.root == nil {
			l.unread(part.object)
			first = false
			continue
		}
		if first && !l.declared(file, part) {
			return
		}
		first = false
		l.decode(part.object, part.root)
	}
	l.docs.Files[file] = text
}

// declared reports whether a file's first document says that the file holds documents. What says neither `schema` nor
// `kind` is something else, unless nobody includes it.
func (l *loader) declared(file string, p part) bool {
	if lookup(p.root, "openapi") != nil {
		return false
	}
	schema := lookup(p.root, "schema")
	if schema != nil {
		return true // Its value is checked with the document.
	}
	fault := gateway.Fault{
		Code: gateway.CodeSchema, Place: gateway.Place{File: file, Line: p.root.Line, Column: p.root.Column}, Field: "schema",
		Object: p.object.ref, Team: p.object.team,
		Message: "the file does not say which form its documents have: write schema: 1 as its first line",
	}
	if lookup(p.root, "kind") == nil {
		l.strangers = append(l.strangers, stranger{file: file, fault: fault})
		return false
	}
	p.object.faulty = true
	l.passing[file] = true
	l.report(fault)
	return true
}

// decode reads a document into the struct of its kind.
func (l *loader) decode(o *object, root *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		o.fault(gateway.CodeWrongType, "", "a document is a mapping that begins with kind and name; this is %s", describe(root))
		return
	}
	kind := lookup(root, "kind")
	if kind == nil {
		o.fault(gateway.CodeMissingField, "kind", "the document has no kind: write %s", oneOf(kinds()))
		return
	}
	doc := newDocument(gateway.Kind(kind.Value))
	if doc == nil {
		l.unknownKind(o, kind.Value)
		return
	}
	d := &decoder{records: l.records, report: func(code gateway.Code, n *yaml.Node, at *field, message string) {
		o.report(code, gateway.Place{File: o.file, Line: n.Line, Column: n.Column}, at.String(), message)
	}}
	d.value(root, reflect.ValueOf(doc).Elem(), nil, nil)
	l.pending = append(l.pending, pending{object: o, document: doc})
}

func (l *loader) unknownKind(o *object, kind string) {
	if slices.Contains(laterKinds(), kind) {
		o.fault(gateway.CodeReserved, "kind", "documents of the kind %s are not available yet: remove the document", kind)
		return
	}
	if near, ok := suggest.Nearest(kind, kinds()); ok {
		o.fault(gateway.CodeUnknownKind, "kind", "there is no kind %q: did you mean %q?", kind, near)
		return
	}
	o.fault(gateway.CodeUnknownKind, "kind", "there is no kind %q: write %s", kind, oneOf(kinds()))
}

// unread notes a document of which only kind and name could be read.
func (l *loader) unread(o *object) {
	switch o.ref.Kind {
	case "":
		return
	case gateway.KindAPI, gateway.KindRoute:
		l.pending = append(l.pending, pending{object: o, document: nil})
	default:
		l.docs.Broken[o.ref] = true
	}
}

// build turns all documents into the model, once it is known which names are written twice. It reports false where a name
// stands in a file that was taken over too: then all is to be read anew, as the fault belongs to both.
func (l *loader) build() bool {
	first, known := l.named()
	if !known {
		return false
	}
	became := map[string]*gateway.Documents{}
	for _, p := range l.pending {
		o := p.object
		part := became[o.file]
		if part == nil {
			part = &gateway.Documents{Present: map[string]bool{}, Broken: map[gateway.Ref]bool{}, Written: map[gateway.Ref]gateway.Written{}}
			became[o.file] = part
		}
		if o.ref.Name != "" && first[o.ref] == o {
			part.Written[o.ref] = &original{object: o, document: p.document}
		}
		switch {
		case o.ref.Name == "" || first[o.ref] != o:
			// Without a name it can be neither used nor missed; its faults are reported.
		case p.document == nil:
			addAPI(o, part, &gateway.API{
				Kind: o.ref.Kind, Name: o.ref.Name, Version: o.ref.Version, Team: o.team, Origin: o.origin(),
			})
		default:
			p.document.add(o, part)
			for _, file := range o.present {
				part.Present[file] = true
			}
		}
	}
	for _, part := range became {
		joinDocuments(l.docs, part)
	}
	for _, m := range l.recalled {
		joinDocuments(l.docs, m.became)
	}
	l.memorise(became)
	return true
}

// named returns the object that has each name, and reports those that stand twice. known is false where one of these stands in a
// file that was taken over.
func (l *loader) named() (first map[gateway.Ref]*object, known bool) {
	first = map[gateway.Ref]*object{}
	for _, m := range l.recalled {
		for _, o := range m.objects {
			if first[o.ref] != nil {
				return nil, false
			}
			first[o.ref] = o
		}
	}
	recalled := len(first)
	for _, p := range l.pending {
		o := p.object
		if o.ref.Name == "" {
			continue
		}
		other, twice := first[o.ref]
		switch {
		case !twice:
			first[o.ref] = o
			continue
		case recalled > 0 && l.recalled[other.file] != nil:
			return nil, false
		}
		place := o.origin().At("name")
		o.fault(gateway.CodeDuplicate, "name", "%s stands in %s too: rename or remove one", o.ref, other.origin().At("name"))
		other.fault(gateway.CodeDuplicate, "name", "%s stands in %s too: rename or remove one", o.ref, place)
	}
	return first, true
}

// reportStrangers reports the files that neither say that they hold documents nor are included by one.
func (l *loader) reportStrangers() {
	for _, s := range l.strangers {
		if _, included := l.docs.Files[s.file]; !included && !l.outside[s.file] {
			l.report(s.fault)
		}
	}
}

// oneLine writes line breaks as Go writes them inside quotes: a message may repeat what a document says, which may hold some.
func oneLine(message string) string {
	return strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(message)
}

// sortDocuments puts the objects in order, so that files and their order leave no trace.
func sortDocuments(d *gateway.Documents) {
	by := func(a, b string) int { return cmp.Compare(a, b) }
	slices.SortFunc(d.Gateways, func(a, b *gateway.Gateway) int { return by(a.Name, b.Name) })
	slices.SortFunc(d.Upstreams, func(a, b *gateway.Upstream) int { return by(a.Name, b.Name) })
	slices.SortFunc(d.Issuers, func(a, b *gateway.Issuer) int { return by(a.Name, b.Name) })
	slices.SortFunc(d.Policies, func(a, b *gateway.Policy) int { return by(a.Name, b.Name) })
	slices.SortFunc(d.Bundles, func(a, b *gateway.Bundle) int { return by(a.Name, b.Name) })
	slices.SortFunc(d.Limits, func(a, b *gateway.SharedLimit) int { return by(a.Name, b.Name) })
	slices.SortFunc(d.Certificates, func(a, b *gateway.Certificate) int { return by(a.Name, b.Name) })
	slices.SortFunc(d.APIs, func(a, b *gateway.API) int {
		return cmp.Or(by(string(a.Kind), string(b.Kind)), by(a.Name, b.Name), by(a.Version, b.Version))
	})
}
