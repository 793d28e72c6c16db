package cache

// Retry forgets what the client has refused, and sends what of it it should still have again, once, even if other nodes have
// refused it too.
func (s *stream) Retry() []output {
	for k := range s.types {
		t := &s.types[k]
		if t.hunt != nil {
			t.abandon()
		}
		for name := range t.refused {
			t.pend(name, changed)
			if s.target != nil {
				t.insist[name] = versionOf(s.target.get(kind(k), name))
			}
		}
		t.refused = refusals{}
	}
	return s.flush()
}
