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

// record is one node: its present session, or what is left of its last one.
type record struct {
	session *session // nil when it is disconnected
	last    Node     // when session is nil
	refusal *Refusal // the last one, kept over reconnections
}

func newRegistry(limit int, keep time.Duration) *registry {
	return &registry{limit: limit, keep: keep, nodes: map[identity]*record{}}
}

// join makes a session the present one of its node, and returns the one before, if that is still there. It returns errFull
// when as many nodes as may be are connected.
func (r *registry) join(s *session, now time.Time) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.nodes[s.id]
	if known == nil {
		if len(r.nodes) >= r.limit {
			r.makeRoom(now)
		}
		if len(r.nodes) >= r.limit {
			return nil, errFull
		}
		known = &record{}
		r.nodes[s.id] = known
	}
	before := known.session
	known.session = s
	return before, nil
}

// makeRoom drops the nodes that were kept long enough, or else the one that is gone longest.
func (r *registry) makeRoom(now time.Time) {
	if r.expire(now); len(r.nodes) < r.limit {
		return
	}
	var oldest identity
	var gone time.Time
	for id, known := range r.nodes {
		if known.session == nil && (gone.IsZero() || known.last.Disconnected.Before(gone)) {
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
		return known.session == nil && now.Sub(known.last.Disconnected) > r.keep
	})
}

// leave notes the end of a session. A node that has another one already is not disconnected.
func (r *registry) leave(s *session, now time.Time) {
	last := s.describe()
	last.Disconnected = now
	last.State = StateDisconnected
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.nodes[s.id]; known != nil && known.session == s {
		known.session = nil
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

// wake tells all sessions to look for a new snapshot, and returns their fleets.
func (r *registry) wake() map[string]struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	fleets := map[string]struct{}{}
	for id, known := range r.nodes {
		if known.session != nil {
			fleets[id.fleet] = struct{}{}
			known.session.poke()
		}
	}
	return fleets
}

// list describes all nodes, sorted.
func (r *registry) list(now time.Time) []Node {
	r.mu.Lock()
	r.expire(now)
	records := make([]record, 0, len(r.nodes))
	for _, known := range r.nodes {
		records = append(records, *known)
	}
	r.mu.Unlock()

	nodes := make([]Node, 0, len(records))
	for _, known := range records {
		node := known.last
		if known.session != nil {
			node = known.session.describe()
		}
		node.LastRefusal = known.refusal
		nodes = append(nodes, node)
	}
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Fleet, b.Fleet), cmp.Compare(a.Name, b.Name))
	})
	return nodes
}
