package cache

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// identity is which node of which fleet.
type identity struct{ fleet, name string }

// registry knows the nodes that are connected, and for a while those that were. It is bounded.
type registry struct {
	limit int
	keep  time.Duration

	mu    sync.Mutex
	nodes map[identity]*record
}

// maxStreams is how many streams one node may have. It should have one; a second appears when Envoy came back before the
// loss of its former stream was noticed, or when two Envoys bear one name.
const maxStreams = 8

// record is one node: its sessions, or what is left of the last one.
type record struct {
	sessions []*session // in the order in which they came; the last is the one that is shown
	last     Node       // as the last session left it
	refusal  *Refusal   // the last one, kept over reconnections
	warned   string     // version of the last snapshot of which was said that the node may be too old for it
}

// session returns the present session of a node, nil when it is disconnected.
func (r *record) session() *session {
	if len(r.sessions) == 0 {
		return nil
	}
	return r.sessions[len(r.sessions)-1]
}

func newRegistry(limit int, keep time.Duration) *registry {
	return &registry{limit: limit, keep: keep, nodes: map[identity]*record{}}
}

// join makes a session the present one of its node, and returns how many streams the node has now. It returns errFull when
// there are as many as may be.
func (r *registry) join(s *session, now time.Time) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.nodes[s.id]
	if known == nil {
		if len(r.nodes) >= r.limit {
			r.makeRoom(now)
		}
		if len(r.nodes) >= r.limit {
			return 0, errFull
		}
		known = &record{}
		r.nodes[s.id] = known
	}
	if len(known.sessions) >= maxStreams {
		return 0, errFull
	}
	s.former = known.last.word()
	known.sessions = append(known.sessions, s)
	return len(known.sessions), nil
}

// makeRoom drops the nodes that were kept long enough, or else the one that is gone longest.
func (r *registry) makeRoom(now time.Time) {
	if r.expire(now); len(r.nodes) < r.limit {
		return
	}
	var oldest identity
	var gone time.Time
	for id, known := range r.nodes {
		if known.session() == nil && (gone.IsZero() || known.last.Disconnected.Before(gone)) {
			oldest, gone = id, known.last.Disconnected
		}
	}
	if !gone.IsZero() {
		delete(r.nodes, oldest)
	}
}

// expire drops the nodes that have been gone for long.
func (r *registry) expire(now time.Time) {
	maps.DeleteFunc(r.nodes, func(_ identity, known *record) bool {
		return known.session() == nil && now.Sub(known.last.Disconnected) > r.keep
	})
}

// leave notes the end of a session. A node that has another one is not disconnected.
func (r *registry) leave(s *session, now time.Time) {
	last := s.describe().Node
	last.Disconnected = now
	last.State = StateDisconnected
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.nodes[s.id]; known != nil {
		known.sessions = slices.DeleteFunc(known.sessions, func(x *session) bool { return x == s })
		known.last = last
	}
}

// refused notes a node's last refusal.
func (r *registry) refused(s *session, refusal *Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.nodes[s.id]; known != nil {
		known.refusal = refusal
	}
}

// warned notes that a warning about a snapshot for a node is due, and returns false where it was given already.
func (r *registry) warned(id identity, snapshot string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.nodes[id]
	if known == nil || known.warned == snapshot {
		return false
	}
	known.warned = snapshot
	return true
}

// wake tells all sessions to look for a new snapshot, and returns their fleets.
func (r *registry) wake() map[string]struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	fleets := map[string]struct{}{}
	for id, known := range r.nodes {
		for _, session := range known.sessions {
			fleets[id.fleet] = struct{}{}
			session.poke()
		}
	}
	return fleets
}

// connected returns the present sessions of all connected nodes.
func (r *registry) connected() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*session, 0, len(r.nodes))
	for _, known := range r.nodes {
		if session := known.session(); session != nil {
			all = append(all, session)
		}
	}
	return all
}

// retry makes the sessions of a node send again what it refused, and tells whether the node is known.
func (r *registry) retry(id identity) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.nodes[id]
	if known == nil {
		return false
	}
	for _, session := range known.sessions {
		session.again.Store(true)
		session.poke()
	}
	return true
}

// list describes the nodes of a fleet, or of all where it is empty, sorted.
func (r *registry) list(now time.Time, fleet string, describe func(*session) account) []account {
	r.mu.Lock()
	r.expire(now)
	nodes := make([]account, 0, len(r.nodes))
	present := make([]*session, 0, len(r.nodes))
	for id, known := range r.nodes {
		if fleet != "" && id.fleet != fleet {
			continue
		}
		node := known.last
		node.Streams, node.LastRefusal = len(known.sessions), known.refusal
		nodes, present = append(nodes, account{Node: node}), append(present, known.session())
	}
	r.mu.Unlock()

	for i, session := range present { // outside the lock: describing a large node takes a while
		if session != nil {
			node := describe(session)
			node.Streams, node.LastRefusal = nodes[i].Streams, nodes[i].LastRefusal
			nodes[i] = node
		}
	}
	slices.SortFunc(nodes, func(a, b account) int {
		return cmp.Or(cmp.Compare(a.Fleet, b.Fleet), cmp.Compare(a.Name, b.Name))
	})
	return nodes
}
