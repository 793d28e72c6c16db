package cache

// barrier is something that is waited for before delivery goes on.
type barrier int

const (
	none barrier = iota
	// made: Envoy has the new clusters and they are warm, and all else that routes refer to is on its way.
	made
	// routed: no listener, route configuration or virtual host refers to what is about to be taken away.
	routed
	barriers // how many there are
)

// mayRoute tells whether listeners, route configurations and virtual hosts may be sent: Envoy acknowledges clusters only when
// they are warm (envoy-facts 11), and reads the rest in the order in which it was sent.
func (s *stream) mayRoute() bool {
	if s.expired[made] {
		return true
	}
	if s.types[clusters].flight != nil {
		return false
	}
	for k := range listeners { // all kinds before it
		if s.missing(k) || len(s.due(k).puts) > 0 {
			return false
		}
	}
	return true
}

// missing tells whether a client that came back has not yet said what it has of a kind, of which there is something: it
// asks for one type after the other, in an order of its own.
func (s *stream) missing(k kind) bool {
	return s.resumed && !s.types[k].opened && len(s.target.sets[k].names) > 0
}

// mayRetire tells whether what routes may refer to can be taken away. While a client refuses a part of its routes it may
// still use the old ones, so everything these refer to stays.
func (s *stream) mayRetire() bool {
	for k := listeners; k < kinds; k++ {
		t := &s.types[k]
		if t.doubt > 0 {
			return false
		}
		d := s.due(k)
		if len(d.puts)+len(d.tells)+len(d.removes) > 0 {
			return false // it waits for an answer to the response before, or for the barrier before this one
		}
		if (t.flight != nil || s.resumed && !t.opened) && !s.expired[routed] { // not opened: see missing
			return false
		}
	}
	return true
}

// inUse tells whether resources of this kind must outlive others that are still to be taken away: routes go before clusters,
// clusters before their endpoints and secrets.
func (s *stream) inUse(k kind) bool {
	if k.routing() {
		return false
	}
	for r := listeners; r < kinds; r++ {
		if len(s.due(r).retires) > 0 || s.types[r].flight != nil && !s.expired[routed] {
			return true
		}
	}
	return k != clusters && (s.types[clusters].flight != nil || len(s.due(clusters).retires) > 0)
}

// wait decides what is being waited for, after everything that could be sent has been.
func (s *stream) wait() {
	now := none
	switch {
	case !s.mayRoute() && s.routesDue():
		now = made
	case !s.expired[routed] && s.retiresDue():
		now = routed
	}
	if now != none && now != s.waiting {
		s.waitID++
	}
	s.waiting = now
}

// routesDue tells whether anything waits for mayRoute.
func (s *stream) routesDue() bool {
	for k := listeners; k < kinds; k++ {
		if s.types[k].greet || s.due(k).count() > 0 {
			return true
		}
	}
	return false
}

// retiresDue tells whether anything still waits for mayRetire.
func (s *stream) retiresDue() bool {
	for k := range kinds {
		if s.types[k].flight == nil && len(s.due(k).retires) > 0 {
			return true
		}
	}
	return false
}

// quiet tells whether the client has acknowledged all it should have, and has asked for enough to say so.
func (s *stream) quiet() bool {
	if s.target == nil {
		return false
	}
	for k := range kinds {
		t := &s.types[k]
		if !t.opened && (k.greeted() || k.routing() && len(s.target.sets[k].names) > 0) {
			return false
		}
		if t.flight != nil || t.greet || t.doubt > 0 || s.due(k).count() > 0 {
			return false
		}
	}
	return true
}
