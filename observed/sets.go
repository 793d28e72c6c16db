package observed

import (
	"reflect"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// set is the endpoints of one Upstream.
type set struct {
	upstream *gateway.Upstream
	served   []gateway.Endpoint // Canonical; what Envoys get.
	since    time.Time          // When served became so.
	version  int64              // Of what is pushed, as the store counts; of others, how often it changed.
	author   string             // Who pushed it.
	held     time.Time          // Since when an empty answer is held back; zero: none is.
	forced   bool               // The empty answer is meant: it is not held.
	written  []byte             // What the store was given last.
	recalled int64              // The version that was taken from the store last.
	faults   gateway.Faults     // Of the file.
}

// known reports whether the endpoints are what Envoys are to have. That there are none is known only where somebody said so: an
// Envoy that has some from before, of which nobody here remembers, keeps them otherwise.
func (s *set) known() bool {
	return len(s.served) > 0 || s.forced || sourceOf(s.upstream) == Pushed && s.version > 0
}

// Source says where endpoints come from.
type Source string

// The sources of endpoints.
const (
	List   Source = "list"   // Written out, as addresses.
	DNS    Source = "dns"    // Written out, some as names of hosts.
	SRV    Source = "srv"    // From SRV records.
	File   Source = "file"   // From a watched file.
	Pushed Source = "pushed" // Through the management API.
)

// sourceOf returns where the endpoints of an Upstream come from.
func sourceOf(u *gateway.Upstream) Source {
	switch {
	case u.Discovery == nil && !u.Observed():
		return List
	case u.Discovery == nil:
		return DNS
	case u.Discovery.Pushed:
		return Pushed
	case u.Discovery.File != "":
		return File
	}
	return SRV
}

// use makes a set that of an Upstream as a revision has it now. What was served before stays until its source has said
// something: an Upstream whose addresses give way to a name is not without endpoints meanwhile. o.mu is held.
func (o *Observer) use(s *set, u *gateway.Upstream) {
	before := s.upstream
	s.upstream = u
	if before == nil || !sameSource(before, u) {
		s.held, s.faults, s.forced = time.Time{}, nil, false
		o.now = nil
	}
	switch sourceOf(u) {
	case List:
		s.served = gateway.CanonicalEndpoints(u.Endpoints)
	case File:
		if len(u.Endpoints) > 0 && (before == nil || !sameSource(before, u)) && (o.lead.leads || !s.known()) {
			o.take(s, u.Endpoints)
		}
	case DNS, SRV:
		o.resolved(s)
	case Pushed:
	}
}

// sameSource reports whether two forms of an Upstream get their endpoints from the same place.
func sameSource(a, b *gateway.Upstream) bool {
	return reflect.DeepEqual(a.Discovery, b.Discovery) && (a.Discovery != nil || slices.Equal(a.Endpoints, b.Endpoints))
}

// take gives a set the endpoints that its source says. An empty answer is held back where something is served. o.mu is held.
func (o *Observer) take(s *set, list []gateway.Endpoint) {
	list = gateway.CanonicalEndpoints(list)
	if len(list) == 0 && len(s.served) > 0 && !s.forced {
		if s.held.IsZero() {
			s.held = o.options.Now()
			o.options.Log.Warn("no endpoints left: the last ones are kept until an empty set is forced",
				"upstream", s.upstream.Name, "endpoints", len(s.served))
		}
		return
	}
	s.held = time.Time{}
	if len(list) > 0 {
		s.forced = false
	}
	o.serve(s, list)
}

// serve puts other endpoints in place. o.mu is held.
func (o *Observer) serve(s *set, list []gateway.Endpoint) {
	if slices.Equal(s.served, list) && !s.since.IsZero() {
		return
	}
	o.options.Log.Info("endpoints changed", "upstream", s.upstream.Name, "from", string(sourceOf(s.upstream)),
		"before", len(s.served), "now", len(list))
	s.served, s.since = list, o.options.Now()
	s.version++
	o.changed()
	o.save()
}

// State is what is known about the endpoints of one Upstream.
type State struct {
	Upstream  string
	Source    Source
	Endpoints []gateway.Endpoint
	Version   int64
	Since     time.Time // When they became so; zero: nothing is known yet, or they are written out.
	Author    string    // Who pushed them.
	Held      time.Time // Since when an empty answer is held back; zero: none is.
	Failure   string    // Why the last answer could not be had; empty: it could.
}

// States returns the state of every Upstream, in order of their names.
func (o *Observer) States() []State {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]State, 0, len(o.sets))
	for _, s := range o.sets {
		out = append(out, o.state(s))
	}
	slices.SortFunc(out, func(a, b State) int {
		if a.Upstream < b.Upstream {
			return -1
		}
		return 1
	})
	return out
}

// state tells about one set. o.mu is held.
func (o *Observer) state(s *set) State {
	out := State{
		Upstream: s.upstream.Name, Source: sourceOf(s.upstream), Endpoints: s.served, Version: s.version, Since: s.since,
		Author: s.author, Held: s.held,
	}
	if len(s.faults) > 0 {
		out.Failure = s.faults[0].Error()
	}
	for _, q := range questions(s.upstream) {
		if n := o.names[q]; n != nil && n.failure != "" {
			out.Failure = n.failure
		}
	}
	return out
}
