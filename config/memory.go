package config

import (
	"bytes"
	"maps"

	"github.com/gatehouse/gatehouse/gateway"
)

// Memory keeps what the files of a directory became, so that loading the directory again reads anew only what changed. The
// objects of an unchanged file are the same values in memory, by which later stages know that nothing about them changed. The
// zero value remembers nothing. One Load at a time may use it.
type Memory struct {
	files   map[string]*memorised
	whole   *whole
	team    string             // Whose the source is.
	sources map[string]*Memory // Of LoadSources, by name.
	library []*gateway.Policy  // Those that ship with Gatehouse.
}

// memorised is one file without faults, and what it became. It is never changed.
type memorised struct {
	text    []byte
	reads   map[string][]byte // The files that its documents include, with what was in them.
	watched map[string]bool   // The files that are watched for its documents, whatever is in them.
	objects []*object
	became  *gateway.Documents
}

// recall takes over what a file became the time before, if neither it nor anything that it includes has changed.
func (l *loader) recall(file string, text []byte) bool {
	if l.opts.Memory == nil {
		return false
	}
	m := l.opts.Memory.files[file]
	if m == nil || !bytes.Equal(m.text, text) {
		return false
	}
	for named, before := range m.reads {
		now, refused := l.read(named)
		if refused != nil || !bytes.Equal(now, before) {
			return false
		}
	}
	for named := range m.watched {
		if l.handedIn(named) { // It was not then.
			return false
		}
	}
	l.recalled[file] = m
	l.docs.Files[file] = m.text
	maps.Copy(l.docs.Files, m.reads)
	maps.Copy(l.outside, m.watched)
	return true
}

// note notes that a document includes a file.
func (l *loader) note(o *object, named string, text []byte) {
	if l.reads[o.file] == nil {
		l.reads[o.file] = map[string][]byte{}
	}
	l.reads[o.file][named] = text
	if o.includes == nil {
		o.includes = map[string][]byte{}
	}
	o.includes[named] = text
}

// memorise makes this Load the one that is remembered. became is what each file's documents became.
func (l *loader) memorise(became map[string]*gateway.Documents) {
	for _, p := range l.pending {
		p.object.load = nil // What is kept of a Load must not keep the Loads before it.
	}
	if l.opts.Memory == nil {
		return
	}
	next := make(map[string]*memorised, len(became)+len(l.recalled))
	objects := map[string][]*object{}
	for _, p := range l.pending {
		objects[p.object.file] = append(objects[p.object.file], p.object)
	}
	for file, docs := range became {
		if !l.passing[file] {
			next[file] = &memorised{text: l.docs.Files[file], reads: l.reads[file], watched: l.watches[file], objects: objects[file], became: docs}
		}
	}
	maps.Copy(next, l.recalled)
	l.opts.Memory.files = next
}

// joinDocuments adds the objects of one part to all.
func joinDocuments(d, part *gateway.Documents) {
	d.Gateways = append(d.Gateways, part.Gateways...)
	d.Upstreams = append(d.Upstreams, part.Upstreams...)
	d.APIs = append(d.APIs, part.APIs...)
	d.Issuers = append(d.Issuers, part.Issuers...)
	d.Policies = append(d.Policies, part.Policies...)
	d.Bundles = append(d.Bundles, part.Bundles...)
	d.Limits = append(d.Limits, part.Limits...)
	d.Certificates = append(d.Certificates, part.Certificates...)
	maps.Copy(d.Written, part.Written)
	maps.Copy(d.Present, part.Present)
	for ref := range part.Broken {
		d.Broken[ref] = true
	}
}
