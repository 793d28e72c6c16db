package cache

// wait is something that delivery waits for. Each is bounded by a deadline of its own, and they do not wait for each other.
type wait int

const (
	// made: Envoy has the new clusters and they are warm, and all else that routes refer to is on its way. Bounded by
	// Settings.Barrier; then only routes wait that would break.
	made wait = iota
	// warmed: the clusters that routes which serve are to be moved to are warm. Bounded by Settings.Patience.
	warmed
	// routed: no listener, route configuration or virtual host refers to what is about to be taken away. Bounded by
	// Settings.Patience.
	routed
	// graced: requests that were routed before that are done. It lasts Settings.Grace.
	graced
	waits // how many there are
)

// Expire ends the wait with this id, as Waiting returned it. An id that is no longer current is ignored.
func (s *stream) Expire(id uint64) []output {
	for w := range waits {
		if id == 0 || s.waiting[w] != id {
			continue
		}
		s.waiting[w] = 0
		switch w {
		case made:
			s.expired[made] = true
			s.overtake()
		case warmed:
			s.waive()
		case routed:
			s.expired[routed] = true
		case graced:
			s.leaving.promote()
		}
		return s.flush()
	}
	return nil
}

// Waiting returns the ids of the waits that are to be bounded by a deadline, 0 where there is none. A new id is a new wait.
func (s *stream) Waiting() [waits]uint64 { return s.waiting }

// waitFor begins a wait that goes on no longer than its condition holds. It does not begin anew while it lasts: a change
// that comes meanwhile must not prolong it, or what waits might never be sent.
func (s *stream) waitFor(w wait, on bool) {
	switch {
	case !on:
		s.waiting[w] = 0
	case s.waiting[w] == 0:
		s.waitID++
		s.waiting[w] = s.waitID
	}
}

// wait decides what is being waited for, after everything that could be sent has been.
func (s *stream) wait() {
	s.waitFor(made, !s.expired[made] && s.gate() != harmless && s.routesDue())
	s.waitFor(warmed, s.cooling())
	s.waitFor(routed, !s.expired[routed] && s.retiresDue())
	s.waitFor(graced, s.leaving.running())
}

// routesDue tells whether anything waits for the gate to open.
func (s *stream) routesDue() bool {
	for k := listeners; k < kinds; k++ {
		if s.types[k].greet || s.due(k).count() > 0 {
			return true
		}
	}
	return false
}

// retiresDue tells whether anything that is to be taken away waits for an answer of the client.
func (s *stream) retiresDue() bool {
	for k := range kinds {
		if s.types[k].flight != nil {
			continue
		}
		for _, name := range s.due(k).retires {
			if p := s.leaving[leaver{k, name}]; p == held || p == gone {
				return true
			}
		}
	}
	return false
}
