package cache

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"
)

// Holding is one resource that a node should have, or has.
type Holding struct {
	Type    string // type URL
	Name    string
	Version string // that it should have; "" where it should have none
	Held    string // that it has by its own word; "" for none, uncertain ("?") after it refused a response
	Refused bool   // it has refused the version that it should have
	Origin  string // file:line of the document the resource comes from

	// Body is the resource that it should have; nil for none. It is shared: do not change it.
	Body *anypb.Any
}

// Holdings returns what a connected node should have and has, sorted by the order of delivery and name. false: no such node
// is connected.
func (s *Server) Holdings(fleet, node string) ([]Holding, bool) {
	session := s.nodes.present(identity{fleet, node})
	if session == nil {
		return nil, false
	}
	session.mu.Lock()
	defer session.mu.Unlock()
	return session.stream.holdings(), true
}

// present returns the present session of a node, or nil.
func (r *registry) present(id identity) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.nodes[id]
	if known == nil {
		return nil
	}
	return known.session()
}

// holdings compares what the client should have with what it holds.
func (s *stream) holdings() []Holding {
	var all []Holding
	for k := range kinds {
		t := &s.types[k]
		from := len(all)
		if s.target != nil {
			for name, r := range s.target.sets[k].byName {
				if t.wants(name) {
					all = append(all, Holding{
						Type: k.url(), Name: name, Version: r.Version, Held: t.held[name], Refused: t.refused.has(name, r.Version), Origin: r.Origin,
						Body: r.Body(),
					})
				}
			}
		}
		for name, version := range t.held {
			if version != "" && (s.target == nil || s.target.get(k, name) == nil) {
				all = append(all, Holding{Type: k.url(), Name: name, Held: version})
			}
		}
		slices.SortFunc(all[from:], func(a, b Holding) int { return cmp.Compare(a.Name, b.Name) })
	}
	return all
}
