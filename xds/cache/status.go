package cache

import "time"

// State says in one word how a node stands to what it should have.
type State string

// The states of a node.
const (
	StateWaiting State = "waiting" // its fleet has no snapshot
	StateBehind  State = "behind"  // something is on its way, or waits for an acknowledgement
	StateSynced  State = "synced"  // it has acknowledged all
	StateRefused State = "refused" // it has refused something that it should still have
	// StateRefusedLocal: it has, and other nodes of its Envoy version have accepted the same, so the trouble is its own.
	StateRefusedLocal State = "refused (local)"
	StateDisconnected State = "disconnected" // it has no stream
)

// Node is what is known about one Envoy.
type Node struct {
	Fleet     string            // node.cluster
	Name      string            // node.id
	Address   string            // the peer's address
	Envoy     string            // Envoy's version, such as 1.40.0
	Bootstrap string            // version of the bootstrap, from the node's metadata
	Admin     string            // path of its admin socket on its own machine, by its own word
	Zone      string            // from its locality; "" if none
	Labels    map[string]string // from the node's metadata; shared, never changed; nil if none

	// Warning says what is to be minded about it: that its Envoy is too old; "" for nothing.
	Warning string

	Connected    time.Time // when the present or last stream began
	Disconnected time.Time // when it ended; zero while connected
	State        State
	Streams      int // how many it has; more than one is two Envoys of one name, or a loss that was not noticed yet

	// Revision and Snapshot are label and version of the snapshot it should have, or should have had when it left.
	Revision, Snapshot string
	// Acknowledged and AcknowledgedSnapshot are label and version of the last one of which it acknowledged all; "" if none.
	// What it acknowledged on an earlier stream counts if it came back with its resources, so not after it was restarted.
	Acknowledged, AcknowledgedSnapshot string

	Types       []TypeStatus // those it has asked for, in order of delivery
	LastRefusal *Refusal     // of any type, on this or an earlier stream; nil if none
}

// word returns what the node acknowledged last.
func (n Node) word() word { return word{n.Acknowledged, n.AcknowledgedSnapshot} }

// word is a snapshot of which a node acknowledged all: its label and its version.
type word struct{ revision, snapshot string }

// Sent returns how many bytes of responses the node was sent on its present or last stream.
func (n Node) Sent() uint64 {
	var total uint64
	for _, t := range n.Types {
		total += t.Bytes
	}
	return total
}

// TypeStatus is what is known about one resource type of a node, on its present or last stream.
type TypeStatus struct {
	Type         string // type URL
	Wanted       int    // how many resources of its snapshot the node wants
	Acknowledged int    // how many of these it has in that version, by its own word
	Refused      int    // how many were part of a refused response and were not accepted in another version since
	Outstanding  bool   // a response waits for its answer
	Responses    uint64 // sent
	Bytes        uint64 // sent, of marshalled responses
}

// state says how the client stands to what it should have.
func (s *stream) state() State {
	if s.target == nil {
		return StateWaiting
	}
	for k := range kinds {
		t := &s.types[k]
		if t.doubt > 0 && t.hunt == nil || len(t.refusing(&s.target.sets[k])) > 0 {
			return StateRefused
		}
	}
	if !s.quiet() {
		return StateBehind
	}
	return StateSynced
}

// status describes the types that the client has asked for; the caller adds what only the session knows.
func (s *stream) status() []TypeStatus {
	var types []TypeStatus
	for k := range kinds {
		if s.types[k].opened {
			types = append(types, s.typeStatus(k))
		}
	}
	return types
}

func (s *stream) typeStatus(k kind) TypeStatus {
	t := &s.types[k]
	status := TypeStatus{Type: k.url(), Refused: t.doubt, Outstanding: t.flight != nil || len(t.overdue) > 0}
	if s.target == nil {
		return status
	}
	for name, r := range s.target.sets[k].byName {
		if !t.wants(name) || k == virtualHosts && !t.named(name) && !s.hasRouteConfig(routeConfigOf(name)) {
			continue
		}
		status.Wanted++
		if t.satisfied(name, r) {
			status.Acknowledged++
		}
	}
	return status
}
