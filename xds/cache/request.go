package cache

import (
	"errors"
	"fmt"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// maxName is how long a resource's name may be, in bytes.
const maxName = 1024

// star is the name by which a client asks for all resources of a type (xDS, "explicit wildcard").
const star = "*"

var (
	// errUnservedType tells that a request is for a type that is not in Types. It is no reason to end the stream.
	errUnservedType = errors.New("resource type is not served")
	// errTooMuch tells that a client asks to remember more than the bounds allow.
	errTooMuch = errors.New("request exceeds a bound")
)

// Request takes a client's request: its answer to the response with the same nonce, and the changes of what it wants. It
// returns what there is to send, and what became of a response if the client answered one. After an error nothing of the
// request is applied.
func (s *stream) Request(req *discoveryv3.DeltaDiscoveryRequest) ([]output, *reply, error) {
	k, ok := kindOf(req.GetTypeUrl())
	if !ok {
		return nil, nil, fmt.Errorf("%w: %.200q", errUnservedType, req.GetTypeUrl())
	}
	if err := s.check(k, req); err != nil {
		return nil, nil, err
	}
	reply := s.answer(k, req)
	if t := &s.types[k]; !t.opened {
		t.opened = true
		s.begin(k, req)
	} else {
		s.unsubscribe(k, req.GetResourceNamesUnsubscribe())
		for _, name := range req.GetResourceNamesSubscribe() {
			s.subscribe(k, name, asked)
		}
	}
	return s.flush(), reply, nil
}

// check holds a request against the bounds.
func (s *stream) check(k kind, req *discoveryv3.DeltaDiscoveryRequest) error {
	t := &s.types[k]
	count := len(req.GetResourceNamesSubscribe())
	if t.opened {
		count += len(t.names)
	} else {
		count = max(count, len(req.GetInitialResourceVersions()))
	}
	if count > s.limit {
		return fmt.Errorf("%w: %d resource names of type %s, at most %d", errTooMuch, count, k.url(), s.limit)
	}
	for _, name := range req.GetResourceNamesSubscribe() {
		if len(name) > maxName {
			return fmt.Errorf("%w: a resource name of %d bytes, at most %d", errTooMuch, len(name), maxName)
		}
	}
	for name, version := range req.GetInitialResourceVersions() {
		if len(name) > maxName || len(version) > maxName {
			return fmt.Errorf("%w: an initial resource version of %d bytes, at most %d", errTooMuch, len(name)+len(version), maxName)
		}
	}
	return nil
}

// begin takes the first request of a type: what the client wants, and what it still has from an earlier stream.
func (s *stream) begin(k kind, req *discoveryv3.DeltaDiscoveryRequest) {
	t := &s.types[k]
	initial := req.GetInitialResourceVersions()
	s.resumed = s.resumed || len(initial) > 0
	names := req.GetResourceNamesSubscribe()
	if len(names) == 0 && k.wildcard() {
		names = []string{star}
	}
	for _, name := range names {
		why := asked
		if initial[name] != "" || name == star {
			why = changed // it has one, and says which: that is no new question
		}
		s.subscribe(k, name, why)
	}
	for name, version := range initial {
		if !t.wants(name) || version == "" {
			continue
		}
		t.hold(name, version)
		t.pend(name, changed)
		switch k {
		case clusters:
			s.warm[name] = true
		case routeConfigs:
			s.reviewHosts(name, changed) // those were kept back until it was known that the client has their home
		}
	}
	s.temperature = unmeasured
	t.greet = t.wildcard && k.greeted() && len(initial) == 0
}

// subscribe adds a name, or all.
func (s *stream) subscribe(k kind, name string, why reason) {
	t := &s.types[k]
	if name != star {
		t.names[name] = struct{}{}
		t.pend(name, why)
		return
	}
	if !t.wildcard {
		why = changed // a new wish for all, not a repeated one
	}
	t.wildcard = true
	if s.target != nil {
		t.reviewAll(&s.target.sets[k], why)
	}
}

// unsubscribe takes names away. A client forgets what it unsubscribes from, and so does the stream; a client that still
// wants everything is told again what there is of it.
func (s *stream) unsubscribe(k kind, names []string) {
	t := &s.types[k]
	for _, name := range names {
		if name == star {
			s.unsubscribeAll(k)
			continue
		}
		delete(t.names, name)
		delete(t.pending, name)
		delete(t.refused, name)
		delete(t.insist, name)
		if t.hunt != nil {
			t.hunt.drop(name)
		}
		t.forget(name)
		if t.wildcard && s.target != nil {
			t.pend(name, asked)
		}
	}
}

// unsubscribeAll ends the wish for everything; what is wanted by name stays.
func (s *stream) unsubscribeAll(k kind) {
	t := &s.types[k]
	t.wildcard = false
	for name := range t.held {
		if !t.named(name) {
			t.forget(name)
		}
	}
}
