package cache

import (
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// rejection is a response that the client refused, and its words.
type rejection struct {
	kind kind
	sent map[string]*Resource // by name; nil: a removal
	text string
}

// answer settles the outstanding response if the request answers it. A nonce of an earlier response settles nothing: with
// one response outstanding at a time, such an answer has been heard already.
func (s *stream) answer(k kind, req *discoveryv3.DeltaDiscoveryRequest) *rejection {
	t := &s.types[k]
	f := t.flight
	if f == nil || req.GetResponseNonce() != f.nonce {
		return nil
	}
	t.flight = nil
	if req.GetErrorDetail() == nil {
		s.accept(k, f)
		return nil
	}
	s.refuse(k, f)
	return &rejection{kind: k, sent: f.sent, text: req.GetErrorDetail().GetMessage()}
}

// accept notes what the client has now.
func (s *stream) accept(k kind, f *flight) {
	t := &s.types[k]
	for name, r := range f.sent {
		version := versionOf(r)
		switch {
		case !t.wants(name): // unsubscribed meanwhile
		case r == nil && !t.named(name):
			t.forget(name)
		default:
			t.hold(name, version)
		}
		if versionOf(s.target.get(k, name)) != version {
			t.pend(name, changed) // it changed again while the response was on its way
		}
	}
	for _, name := range t.refused.accepted(f) {
		t.pend(name, changed)
	}
}

// refuse notes that nobody knows what the client has now, and what it must not be sent again.
func (s *stream) refuse(k kind, f *flight) {
	t := &s.types[k]
	t.refused.add(f)
	for name, r := range f.sent {
		if !t.wants(name) {
			continue
		}
		t.hold(name, uncertain)
		if versionOf(s.target.get(k, name)) != versionOf(r) {
			t.pend(name, changed)
		}
	}
}
