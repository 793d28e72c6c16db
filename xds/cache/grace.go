package cache

// phase is how far something is on its way out.
type phase int

const (
	held    phase = iota // a route of the client may still refer to it
	queued               // no route refers to it any more; its grace begins when the one that is running ends
	running              // its grace is running
	gone                 // its grace is over: it may be taken away
)

// leaver is a resource that the client has and should not.
type leaver struct {
	kind kind
	name string
}

// leavers are the resources that no route refers to any more. Those whose turn comes while a grace is running share the next
// one, so one deadline at a time is enough, each gets a whole grace, and none waits for more than two.
//
// A change that comes meanwhile does not begin a grace anew: when it began, the client had acknowledged routes without the
// leaver, and whatever it is sent later does not refer to it either, or it would not leave any more.
type leavers map[leaver]phase

// running tells whether a grace has begun and is not over.
func (l leavers) running() bool {
	for _, p := range l {
		if p == running {
			return true
		}
	}
	return false
}

// ripen notes who is to leave and is not needed any more, and forgets who stays after all.
func (s *stream) ripen() {
	begun, routes, rest := s.leaving.running(), s.mayRetire(), true
	leaving := map[leaver]bool{}
	for k := kinds - 1; k >= 0; k-- {
		for _, name := range s.due(k).retires {
			l := leaver{k, name}
			leaving[l] = true
			if k.routing() {
				rest = false // it may refer to those that follow
			}
			if !routes || !k.routing() && !rest || s.leaving[l] != held {
				continue
			}
			s.leaving[l] = running
			if begun {
				s.leaving[l] = queued
			}
		}
	}
	for l := range s.leaving {
		if !leaving[l] {
			delete(s.leaving, l)
		}
	}
	if begun && !s.leaving.running() { // all for which it was stay after all
		s.waiting[graced] = 0
		s.leaving.promote()
	}
}

// promote ends the grace that is running, and begins the next one.
func (l leavers) promote() {
	for who, p := range l {
		switch p {
		case running:
			l[who] = gone
		case queued:
			l[who] = running
		}
	}
}

// retirable returns which of some resources of a kind may be taken away now: their grace is over, and nothing that leaves
// before them is left. Routes go before clusters, clusters before their endpoints and secrets.
func (s *stream) retirable(k kind, names []string) []string {
	if s.leavingBefore(k) {
		return nil
	}
	var now []string
	for _, name := range names {
		if s.leaving[leaver{k, name}] == gone {
			now = append(now, name)
		}
	}
	return now
}

// leavingBefore tells whether something that must leave before resources of this kind has not left yet.
func (s *stream) leavingBefore(k kind) bool {
	if k.routing() {
		return false
	}
	for l, p := range s.leaving {
		if p == gone && (l.kind.routing() || l.kind == clusters && k != clusters) {
			return true
		}
	}
	for r := listeners; r < kinds; r++ {
		if f := s.types[r].flight; f != nil && f.retires && !s.expired[routed] {
			return true
		}
	}
	f := s.types[clusters].flight
	return k != clusters && f != nil && f.retires
}

// mayRetire tells whether what routes may refer to is free to go. While a client refuses a part of its routes it may still
// use the old ones, so everything these refer to stays.
func (s *stream) mayRetire() bool {
	for k := listeners; k < kinds; k++ {
		t := &s.types[k]
		if t.doubt > 0 {
			return false
		}
		d := s.due(k)
		if len(d.puts)+len(d.tells)+len(d.removes) > 0 {
			return false // it waits for an answer to the response before, or for the gate
		}
		if (t.flight != nil || s.resumed && !t.opened) && !s.expired[routed] { // not opened: see missing
			return false
		}
	}
	return true
}
