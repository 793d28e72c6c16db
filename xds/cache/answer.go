package cache

import (
	"maps"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// reply is what became of a response that the client answered.
type reply struct {
	kind     kind
	sent     map[string]*Resource // all it held, by name; nil: a removal
	accepted map[string]*Resource // what of it the client has now
	proven   map[string]*Resource // what of it the client refuses for certain
	refused  bool
	hunted   bool   // it was to find the guilty of an earlier one
	text     string // why it was refused
}

// answer settles an outstanding response if the request answers it; nil if it does not. A nonce of any other response settles
// nothing: such an answer has been heard already.
func (s *stream) answer(k kind, req *discoveryv3.DeltaDiscoveryRequest) *reply {
	f := s.land(k, req.GetResponseNonce())
	if f == nil {
		return nil
	}
	r := &reply{kind: k, sent: f.sent, hunted: f.hunt != nil}
	if req.GetErrorDetail() == nil {
		r.accepted = f.sent
		s.accept(k, f.sent)
		if t := &s.types[k]; f.hunt != nil && f.hunt == t.hunt {
			t.hunt.accepted()
		}
		return r
	}
	r.refused, r.text = true, req.GetErrorDetail().GetMessage()
	s.refuse(k, f, r)
	return r
}

// land takes the response with this nonce from those that are outstanding. Those before it that are still outstanding will
// not be answered any more: what they held is looked at again.
func (s *stream) land(k kind, nonce string) *flight {
	t := &s.types[k]
	for i, f := range t.overdue {
		if f.nonce == nonce {
			t.lose(t.overdue[:i])
			t.overdue = t.overdue[i+1:]
			return f
		}
	}
	f := t.flight
	if f == nil || f.nonce != nonce {
		return nil
	}
	t.lose(t.overdue)
	t.overdue, t.flight = nil, nil
	return f
}

// lose gives up responses that are not answered.
func (t *subscription) lose(flights []*flight) {
	for _, f := range flights {
		for name := range f.sent {
			t.pend(name, changed)
		}
		if f.hunt != nil && f.hunt == t.hunt {
			t.hunt.refused(false)
		}
	}
}

// accept notes what the client has now.
func (s *stream) accept(k kind, sent map[string]*Resource) {
	t := &s.types[k]
	for name, r := range sent {
		version := versionOf(r)
		switch {
		case !t.wants(name): // unsubscribed meanwhile
		case r == nil && !t.named(name):
			t.forget(name)
		default:
			t.hold(name, version)
			if r != nil && k.routing() {
				t.has[name] = r
			}
		}
		delete(t.insist, name)
		if versionOf(s.target.get(k, name)) != version {
			t.pend(name, changed) // it changed again while the response was on its way
		}
	}
	s.heat(k, sent)
	for _, name := range t.refused.accepted(sent) {
		t.pend(name, changed)
	}
}

// refuse notes that nobody knows what the client has now, and looks for what it must not be sent again.
func (s *stream) refuse(k kind, f *flight, r *reply) {
	t := &s.types[k]
	suspects := maps.Clone(f.sent)
	if r.proven = culprits(k, r.text, f.sent); len(r.proven) > 0 {
		maps.DeleteFunc(suspects, func(name string, _ *Resource) bool { return r.proven[name] == nil })
		r.accepted = maps.Clone(f.sent)
		maps.DeleteFunc(r.accepted, func(name string, _ *Resource) bool { return suspects[name] != nil })
		s.accept(k, r.accepted)
	} else if len(f.sent) == 1 {
		r.proven = f.sent
	}
	for name, guilty := range r.proven {
		t.refused.add(map[string]*Resource{name: guilty})
	}
	current := map[string]*Resource{}
	for name, content := range suspects {
		delete(t.insist, name)
		if !t.wants(name) {
			delete(t.refused, name)
			continue
		}
		t.hold(name, uncertain)
		if r.proven[name] == nil && versionOf(s.target.get(k, name)) == versionOf(content) {
			current[name] = content
			continue
		}
		t.pend(name, changed)
	}
	switch {
	case f.hunt != nil && f.hunt == t.hunt:
		t.hunt.refused(len(r.proven) > 0)
	case len(r.proven) > 0 || len(current) == 0:
	case t.hunt != nil:
		t.hunt.add(current)
	default:
		t.hunt = newHunt(current, r.text)
	}
}
