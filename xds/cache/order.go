package cache

// gate is how much of listeners, route configurations and virtual hosts may be sent.
type gate int

const (
	// shut: nothing, as what they refer to is not there yet.
	shut gate = iota
	// narrow: what refers only to clusters that are known to be warm.
	narrow
	// harmless: all but what moves a route that serves to a cluster that is not known to be warm.
	harmless
)

// gate tells how far the gate is open. Envoy acknowledges clusters only when all of a response are warm (envoy-facts 11), and
// reads the rest in the order in which it was sent. When one cluster holds up the acknowledgements of all others, these are
// judged by what else is known of them.
func (s *stream) gate() gate {
	if s.expired[made] {
		return harmless
	}
	for k := range listeners { // all kinds before it
		if s.missing(k) || len(s.due(k).puts) > 0 {
			return shut
		}
	}
	switch t := &s.types[clusters]; {
	case t.flight == nil:
		return harmless
	case len(t.overdue) > 0:
		return narrow
	}
	return shut
}

// missing tells whether a client that came back has not yet said what it has of a kind, of which there is something: it
// asks for one type after the other, in an order of its own.
func (s *stream) missing(k kind) bool {
	return s.resumed && !s.types[k].opened && len(s.target.sets[k].names) > 0
}

// maxOverdue is how many responses with clusters may be on their way beside the last one.
const maxOverdue = 8

// overtake lets the next response with clusters go out although the one before is not answered. It still may be.
func (s *stream) overtake() {
	t := &s.types[clusters]
	if t.flight == nil || len(t.overdue) >= maxOverdue {
		return
	}
	if f := t.flight; f.hunt != nil && f.hunt == t.hunt { // it may take long: nothing else waits for it
		for _, name := range t.hunt.left() {
			if _, sent := f.sent[name]; !sent {
				t.pend(name, changed)
			}
		}
		t.hunt = nil
	}
	t.overdue = append(t.overdue, t.flight)
	t.flight = nil
}

// free tells whether a response of this kind may be sent although others may be on their way. When one with clusters is
// overdue, Envoy holds back its answers to all that follow.
func (s *stream) free(k kind) bool {
	t := &s.types[k]
	return t.flight == nil || k == clusters && len(t.overdue) > 0 && len(t.overdue) < maxOverdue
}

// quiet tells whether the client has acknowledged all it should have, and has asked for enough to say so. What it uses no longer
// and only keeps for a grace does not count.
func (s *stream) quiet() bool {
	if s.target == nil {
		return false
	}
	for k := range kinds {
		t := &s.types[k]
		if !t.opened && (k.greeted() || k.routing() && len(s.target.sets[k].names) > 0) {
			return false
		}
		if t.flight != nil || len(t.overdue) > 0 || t.greet || t.doubt > 0 {
			return false
		}
		d := s.due(k)
		for _, name := range d.retires {
			if s.leaving[leaver{k, name}] == held {
				return false
			}
		}
		if d.retires = nil; d.count() > 0 {
			return false
		}
		if len(t.refusing(&s.target.sets[k])) > 0 {
			return false
		}
	}
	return true
}

// idle tells whether the client was sent what it should have, nothing is on its way, and nothing is waited for.
func (s *stream) idle() bool {
	if s.target == nil {
		return false
	}
	for k := range s.types {
		if s.types[k].flight != nil || len(s.types[k].overdue) > 0 {
			return false
		}
	}
	return s.waiting == [waits]uint64{}
}
