package cache

import "slices"

// due is what could be said to the client about one type, in no order.
type due struct {
	puts    []string // to be sent
	tells   []string // not there, and the client does not have it: an answer to its question
	removes []string // the client has it and should not, and nothing can depend on it
	retires []string // the same, but what still depends on it must go first
}

func (d due) count() int { return len(d.puts) + len(d.tells) + len(d.removes) + len(d.retires) }

// verdict is what is to be done about one name.
type verdict int

const (
	settled verdict = iota // nothing
	later                  // nothing yet: keep it on the list
	put
	tell
	remove
	retire
	bar // do not send it: other nodes have refused it
)

// due looks at all names on the list, and drops from it those about which there is nothing to say.
func (s *stream) due(k kind) due {
	t := &s.types[k]
	var d due
	if !t.opened || s.target == nil {
		return d
	}
	if t.hunt != nil {
		if d, ok := s.dueOfHunt(k); ok {
			return d
		}
	}
	for name, why := range t.pending {
		switch s.judge(k, name, why) {
		case settled:
			delete(t.pending, name)
		case later:
		case bar:
			delete(t.pending, name)
			t.refused.add(map[string]*Resource{name: s.target.get(k, name)})
		case put:
			d.puts = append(d.puts, name)
		case tell:
			d.tells = append(d.tells, name)
		case remove:
			d.removes = append(d.removes, name)
		case retire:
			d.retires = append(d.retires, name)
		}
	}
	return d
}

// dueOfHunt looks at the suspects that are to be tried next. Those that cannot be sent now leave the hunt. It returns false
// when the hunt is over.
func (s *stream) dueOfHunt(k kind) (due, bool) {
	t := &s.types[k]
	var d due
	for !t.hunt.over() {
		if t.hunt.trying {
			return d, true
		}
		for _, name := range slices.Clone(t.hunt.next()) {
			switch s.judge(k, name, changed) {
			case put:
				d.puts = append(d.puts, name)
			case remove, retire: // its grace was over when it was refused
				d.removes = append(d.removes, name)
			default:
				t.hunt.drop(name)
				t.pend(name, changed)
			}
		}
		if d.count() > 0 {
			return d, true
		}
	}
	t.abandon()
	return d, false
}

// judge decides about one name by what the client wants, should have and has, and why it is looked at.
func (s *stream) judge(k kind, name string, why reason) verdict {
	t := &s.types[k]
	r := s.target.get(k, name)
	switch {
	case !t.wants(name):
		if why == forced && r != nil {
			return later // Envoy may be about to ask for it
		}
		return settled
	case t.refused.has(name, versionOf(r)) && why == forced:
		return later // another content may be wanted soon
	case t.refused.has(name, versionOf(r)) && why == changed:
		return settled
	case r == nil:
		return s.judgeAbsent(k, name, why)
	case k == virtualHosts && !t.named(name) && !s.hasRouteConfig(routeConfigOf(name)):
		return settled // Envoy would throw it away; sending the route configuration puts it back on the list
	case why == changed && t.satisfied(name, r):
		return settled
	case why != asked && s.barred != nil && t.insist[name] != r.Version && s.barred(k, name, r.Version):
		return bar
	}
	return put
}

// judgeAbsent decides about a name that the client wants and the snapshot has not.
func (s *stream) judgeAbsent(k kind, name string, why reason) verdict {
	t := &s.types[k]
	have, told := t.held[name]
	switch {
	case t.named(name) && (!told || why == asked):
		return tell
	case have == "":
		return settled
	case !k.routing(), k == routeConfigs:
		return retire
	case k == virtualHosts && s.target.get(routeConfigs, routeConfigOf(name)) == nil:
		return retire // its listener may still be draining
	}
	return remove
}

// hasRouteConfig tells whether the client has a route configuration, or will have it before it reads what is sent next.
func (s *stream) hasRouteConfig(name string) bool {
	t := &s.types[routeConfigs]
	return t.held[name] != "" || t.flight != nil && t.flight.sent[name] != nil
}
