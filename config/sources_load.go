package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// LoadSources reads the sources of a configuration into one. Objects know their source, and one that two sources have is a
// fault of both. A source names files of its own only; what is on the daemon's host (secrets in files, and watched files
// that were not handed in) is read below dir ("": there is none). Memory keeps each source apart.
func LoadSources(sources []Source, dir string, opts Options) (*gateway.Documents, gateway.Faults) {
	u := &union{docs: newDocuments(), first: map[gateway.Ref]gateway.Origin{}}
	var below fs.FS
	if root, err := openRoot(dir); err == nil {
		defer root.Close()
		below = root.FS()
	} // A file that is missing then is reported where it is named.
	if opts.Memory == nil {
		opts.Memory = &Memory{}
	}
	known := opts.Memory.sources
	if known == nil || slices.ContainsFunc(sources, func(s Source) bool { return s.Name == "" }) {
		opts.Memory.sources = map[string]*Memory{} // This is the whole: what is no source any more is forgotten.
	}
	for _, s := range slices.SortedFunc(slices.Values(sources), compareSources) {
		m := known[s.Name].of(s)
		opts.Memory.sources[s.Name] = m
		docs, faults := s.load(dir, below, Options{LookupEnv: opts.LookupEnv, Memory: m})
		u.faults = append(u.faults, faults...)
		u.add(s, docs)
	}
	u.settle()
	sortDocuments(u.docs)
	u.docs.Library = opts.library()
	return u.docs, u.faults.Sort()
}

// openRoot opens a directory; "" is none.
func openRoot(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, fs.ErrNotExist
	}
	return os.OpenRoot(dir)
}

// load reads one source.
func (s Source) load(dir string, below fs.FS, opts Options) (*gateway.Documents, gateway.Faults) {
	switch {
	case s.Dir != "":
		return Load(s.Dir, opts)
	case s.Name == "":
		return LoadFiles(s.Files, dir, opts)
	}
	if whole := opts.Memory.whole; whole != nil && sameFiles(whole.files, s.Files) {
		return whole.became, nil
	}
	stored, err := FS(s.Files)
	if err != nil {
		return newDocuments(), gateway.Faults{{Code: gateway.CodeFile, Place: gateway.Place{Source: s.Name, File: "."}, Message: err.Error()}}
	}
	l := newLoader(stored, opts)
	l.source, l.below, l.closed = s.Name, below, s.Team != ""
	docs, faults := l.load()
	faults = append(faults, gateway.Claim(docs, s.Team)...)
	for file, text := range s.Files {
		if strings.HasSuffix(file, ".rego") { // Also tests, which no document names.
			docs.Files[file] = text
		}
	}
	opts.Memory.whole = nil
	if len(faults) == 0 && len(l.passing) == 0 && len(l.outside) == 0 {
		opts.Memory.whole = &whole{files: maps.Clone(s.Files), became: docs}
	}
	return docs, faults
}

// whole is a source without faults that names nothing outside of itself, and what it became.
type whole struct {
	files  map[string][]byte
	became *gateway.Documents
}

// of returns what is remembered of a source as a copy, which takes in what it becomes now.
func (m *Memory) of(s Source) *Memory {
	if m != nil && m.team == s.Team {
		return &Memory{team: s.Team, files: m.files, whole: m.whole}
	}
	return &Memory{team: s.Team} // Objects were given to the team when they were read.
}

// Clone returns a Memory that remembers the same, and takes in for itself what comes.
func (m *Memory) Clone() *Memory {
	return &Memory{team: m.team, files: m.files, whole: m.whole, sources: maps.Clone(m.sources)}
}

// sameFiles reports whether two sets of files hold the same.
func sameFiles(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }

// union is several sources on their way into one.
type union struct {
	docs   *gateway.Documents
	faults gateway.Faults
	first  map[gateway.Ref]gateway.Origin
	twice  []gateway.Ref
}

// add takes in what a source became.
func (u *union) add(s Source, docs *gateway.Documents) {
	for _, o := range objectsOf(docs) {
		other, known := u.first[o.ref]
		if !known {
			u.first[o.ref] = o.origin
			continue
		}
		u.twice = append(u.twice, o.ref)
		u.duplicate(o.ref, o.team, o.origin, other)
		u.duplicate(o.ref, o.team, other, o.origin)
	}
	maps.Copy(u.docs.Files, s.stored(docs.Files))
	for file := range docs.Present {
		u.docs.Present[s.path(file)] = true
	}
	u.docs.Watched = append(u.docs.Watched, docs.Watched...)
	joined := *docs
	joined.Present = nil
	joinDocuments(u.docs, &joined)
}

func (u *union) duplicate(ref gateway.Ref, team string, origin, other gateway.Origin) {
	u.faults = append(u.faults, gateway.Fault{
		Code: gateway.CodeDuplicate, Place: origin.At("name"), Field: "name", Object: ref, Team: team,
		Message: fmt.Sprintf("%s stands in %s too: one object has one source, so rename or remove one", ref, other.At("name")),
	})
}

// settle takes out what two sources have. Of an API the first stays, marked, as it tells which hosts and base are meant.
func (u *union) settle() {
	if len(u.twice) == 0 {
		return
	}
	gone, met := map[gateway.Ref]bool{}, map[gateway.Ref]bool{}
	for _, ref := range u.twice {
		gone[ref], u.docs.Broken[ref] = true, true
	}
	d := u.docs
	d.Gateways = without(d.Gateways, gone, func(g *gateway.Gateway) gateway.Ref { return gateway.Ref{Kind: gateway.KindGateway, Name: g.Name} })
	d.Upstreams = without(d.Upstreams, gone, func(v *gateway.Upstream) gateway.Ref { return gateway.Ref{Kind: gateway.KindUpstream, Name: v.Name} })
	d.Issuers = without(d.Issuers, gone, func(i *gateway.Issuer) gateway.Ref { return gateway.Ref{Kind: gateway.KindIssuer, Name: i.Name} })
	d.Policies = without(d.Policies, gone, func(p *gateway.Policy) gateway.Ref { return gateway.Ref{Kind: gateway.KindPolicy, Name: p.Name} })
	d.Bundles = without(d.Bundles, gone, func(b *gateway.Bundle) gateway.Ref { return gateway.Ref{Kind: gateway.KindBundle, Name: b.Name} })
	d.Limits = without(d.Limits, gone, func(l *gateway.SharedLimit) gateway.Ref { return gateway.Ref{Kind: gateway.KindLimit, Name: l.Name} })
	d.Certificates = without(d.Certificates, gone, func(c *gateway.Certificate) gateway.Ref {
		return gateway.Ref{Kind: gateway.KindCertificate, Name: c.Name}
	})
	var apis []*gateway.API
	for _, api := range d.APIs {
		if ref := api.Ref(); gone[ref] {
			if met[ref] {
				continue
			}
			met[ref] = true
			marked := *api
			marked.Faulty, api = true, &marked
		}
		apis = append(apis, api)
	}
	d.APIs = apis
}

func without[T any](list []T, gone map[gateway.Ref]bool, ref func(T) gateway.Ref) []T {
	return slices.DeleteFunc(list, func(v T) bool { return gone[ref(v)] })
}

// placed is an object, and where it stands.
type placed struct {
	ref    gateway.Ref
	team   string
	origin gateway.Origin
}

// objectsOf returns all objects of documents.
func objectsOf(d *gateway.Documents) []placed {
	var all []placed
	for _, g := range d.Gateways {
		all = append(all, placed{gateway.Ref{Kind: gateway.KindGateway, Name: g.Name}, "", g.Origin})
	}
	for _, u := range d.Upstreams {
		all = append(all, placed{gateway.Ref{Kind: gateway.KindUpstream, Name: u.Name}, "", u.Origin})
	}
	for _, i := range d.Issuers {
		all = append(all, placed{gateway.Ref{Kind: gateway.KindIssuer, Name: i.Name}, "", i.Origin})
	}
	for _, p := range d.Policies {
		all = append(all, placed{gateway.Ref{Kind: gateway.KindPolicy, Name: p.Name}, "", p.Origin})
	}
	for _, b := range d.Bundles {
		all = append(all, placed{gateway.Ref{Kind: gateway.KindBundle, Name: b.Name}, "", b.Origin})
	}
	for _, l := range d.Limits {
		all = append(all, placed{gateway.Ref{Kind: gateway.KindLimit, Name: l.Name}, "", l.Origin})
	}
	for _, c := range d.Certificates {
		all = append(all, placed{gateway.Ref{Kind: gateway.KindCertificate, Name: c.Name}, "", c.Origin})
	}
	for _, a := range d.APIs {
		all = append(all, placed{a.Ref(), a.Team, a.Origin})
	}
	return all
}

// Objects returns the names of all objects of documents, also of those with faults.
func Objects(d *gateway.Documents) map[gateway.Ref]gateway.Origin {
	all := map[gateway.Ref]gateway.Origin{}
	for ref := range d.Broken {
		all[ref] = gateway.Origin{}
	}
	for ref, w := range d.Written {
		all[ref] = w.Origin()
	}
	for _, o := range objectsOf(d) {
		all[o.ref] = o.origin
	}
	return all
}
