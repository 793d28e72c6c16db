package cache

import (
	"slices"
	"strconv"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
)

// stream is the state machine of one delta ADS stream. It is pure: no goroutine, no clock, no I/O. Its events are Request,
// Use and Expire; each returns what is to be sent, in this order. One goroutine at a time may use it.
type stream struct {
	target  *Snapshot // what the client should have; nil: its fleet has none yet
	types   [kinds]subscription
	resumed bool // the client had resources from an earlier stream
	limit   int  // how many names a client may make the stream remember, by type
	nonces  uint64
	waitID  uint64        // the last one given out
	waiting [waits]uint64 // the waits that are on, by their ids
	expired [waits]bool   // which were given up for the present target
	leaving leavers
	warm    map[string]bool // clusters that are known to be warm
	waived  map[string]bool // clusters that routes wait for no longer
	awaited map[string]bool // clusters for which the present wait is

	temperature temperature
	// barred tells whether other nodes have refused a content, so that it is not sent unless the client asks; nil: none is.
	barred func(k kind, name, version string) bool

	acknowledged word // the snapshot that was last acknowledged whole
}

// output is one response to be sent, with its size in bytes as marshalled.
type output struct {
	kind    kind
	message *discoveryv3.DeltaDiscoveryResponse
	fields  [][]byte // its resources as bytes
	size    int
}

// newStream returns the state of a stream on which nothing has happened. A client that makes it remember more than limit
// names of one type is refused.
func newStream(limit int) *stream {
	s := &stream{limit: limit, leaving: leavers{}, warm: map[string]bool{}, waived: map[string]bool{}}
	for k := range s.types {
		s.types[k] = newSubscription()
	}
	return s
}

// Use makes a snapshot the one that the client should have. It cannot fail.
func (s *stream) Use(next *Snapshot) []output {
	prev := s.target
	s.target = next
	s.expired = [waits]bool{}
	for k := range s.types {
		var before *set
		if prev != nil {
			before = &prev.sets[k]
		}
		s.types[k].follow(before, &next.sets[k])
	}
	if prev == nil || prev.sets[clusters].version != next.sets[clusters].version {
		s.temperature = unmeasured
	}
	return s.flush()
}

// flush sends what can be sent now, in the order of delivery.
func (s *stream) flush() []output {
	if s.target == nil {
		return nil
	}
	s.ripen()
	var out []output
	for k := range kinds {
		t := &s.types[k]
		if !t.opened || !s.free(k) {
			continue
		}
		if due := s.sendable(k); due.count() > 0 || t.greet && s.open(k) {
			out = append(out, s.send(k, due))
		}
	}
	s.wait()
	if s.quiet() {
		s.acknowledged = word{s.target.revision, s.target.version}
	}
	return out
}

// open tells whether the gate lets anything of a kind through.
func (s *stream) open(k kind) bool { return !k.routing() || s.gate() != shut }

// sendable returns what of a kind is due and need not wait.
func (s *stream) sendable(k kind) due {
	if !s.open(k) {
		return due{}
	}
	for {
		d := s.due(k)
		d.retires = s.retirable(k, d.retires)
		if !k.routing() {
			return d
		}
		puts := s.pass(k, d.puts, s.gate())
		if t := &s.types[k]; t.hunt != nil && len(puts) < len(d.puts) {
			t.leaveHunt(d.puts, puts)
			continue // with fewer suspects, so this ends
		}
		d.puts = puts
		return d
	}
}

// send makes a response of what is due.
func (s *stream) send(k kind, d due) output {
	t := &s.types[k]
	s.nonces++
	f := &flight{
		nonce: strconv.FormatUint(s.nonces, 10), sent: make(map[string]*Resource, d.count()),
		retires: len(d.retires) > 0, hunt: t.hunt,
	}
	if f.hunt != nil {
		f.hunt.sent()
	}
	message := &discoveryv3.DeltaDiscoveryResponse{
		TypeUrl:           k.url(),
		Nonce:             f.nonce,
		SystemVersionInfo: s.target.version,
	}
	slices.Sort(d.puts)
	fields := make([][]byte, 0, len(d.puts))
	for _, name := range d.puts {
		r := s.target.get(k, name)
		s.consequences(k, r)
		message.Resources = append(message.Resources, r.wire)
		fields = append(fields, r.field)
		f.sent[name] = r
		delete(t.pending, name)
	}
	message.RemovedResources = slices.Concat(d.tells, d.removes, d.retires)
	slices.Sort(message.RemovedResources)
	for _, name := range message.RemovedResources {
		f.sent[name] = nil
		delete(t.pending, name)
		if k == clusters {
			delete(s.warm, name)
			s.temperature = unmeasured
		}
	}
	t.greet = false
	if t.flight != nil {
		t.overdue = append(t.overdue, t.flight)
	}
	t.flight = f
	return output{kind: k, message: message, fields: fields, size: proto.Size(message)}
}

// consequences forces what Envoy needs again after a resource that is being sent.
func (s *stream) consequences(k kind, r *Resource) {
	switch k {
	case clusters:
		// A changed cluster warms again without asking for its endpoints: they must follow it (envoy-facts 11).
		if r.endpoints != "" {
			s.types[endpoints].pend(r.endpoints, forced)
		}
	case routeConfigs:
		// A route configuration that Envoy did not have starts empty, and it throws away what came before it; it asks for
		// virtual hosts only once per stream (envoy-facts 1).
		t := &s.types[routeConfigs]
		have := t.held[r.Name]
		if t.pending[r.Name] == asked || have == "" || have == uncertain {
			s.reviewHosts(r.Name, forced)
		}
	}
}

// reviewHosts puts the virtual hosts of a route configuration on the list.
func (s *stream) reviewHosts(routeConfig string, why reason) {
	if s.target == nil {
		return
	}
	for _, name := range s.target.hosts[routeConfig] {
		s.types[virtualHosts].pend(name, why)
	}
}
