package cache

// account is a node as its session describes it, and what it refuses.
type account struct {
	Node
	refusing []charge
}

// outline says how the node stands now, without its types.
func (s *session) outline() account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sketch()
}

// sketch is outline for who holds the lock.
func (s *session) sketch() account {
	a := account{Node: s.node}
	a.State = s.stream.state()
	said := s.stream.acknowledged
	if said == (word{}) && s.stream.resumed {
		said = s.former
	}
	a.Acknowledged, a.AcknowledgedSnapshot = said.revision, said.snapshot
	if s.stream.target == nil {
		return a
	}
	a.Revision, a.Snapshot = s.stream.target.revision, s.stream.target.version
	for k := range kinds {
		for _, r := range s.stream.types[k].refusing(&s.stream.target.sets[k]) {
			a.refusing = append(a.refusing, charge{s.node.Envoy, k, r.Name, r.Version})
		}
	}
	return a
}

// describe says how the node stands now.
func (s *session) describe() account {
	s.mu.Lock()
	a := s.sketch()
	a.Types = s.stream.status()
	s.mu.Unlock()
	for i := range a.Types {
		k, _ := kindOf(a.Types[i].Type)
		a.Types[i].Responses = s.sent[k].responses.Load()
		a.Types[i].Bytes = s.sent[k].bytes.Load()
	}
	return a
}

// has tells whether the node has a content, by its own word.
func (s *session) has(c charge) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.types[c.kind].held[c.name] == c.version
}
