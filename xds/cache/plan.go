package cache

import "maps"

// Plan says which snapshot each node of one fleet should have. Snapshots are made for the fleet that the plan names.
type Plan struct {
	Fleet string
	// Default is what every node gets that Nodes does not name. Where it is nil such a node keeps what it has, and a new one
	// waits.
	Default *Snapshot
	// Nodes are the exceptions, by node name: the nodes of a wave, or one that is held back. A nil snapshot is as none: the
	// node keeps what it has. The map is copied.
	Nodes map[string]*Snapshot
}

// snapshot returns what a node should have, or nil.
func (p Plan) snapshot(node string) *Snapshot {
	if own, ok := p.Nodes[node]; ok {
		return own
	}
	return p.Default
}

// empty tells whether no node gets anything by this plan.
func (p Plan) empty() bool {
	for _, snapshot := range p.Nodes {
		if snapshot != nil {
			return false
		}
	}
	return p.Default == nil
}

// Use swaps the plans of all fleets at once and wakes their nodes; it does not wait for them. Of two plans of one fleet the
// last counts. Nodes of a fleet that has no plan any more keep what they have. It cannot fail.
func (s *Server) Use(plans []Plan) {
	s.using.Lock()
	defer s.using.Unlock()
	next := make(map[string]Plan, len(plans))
	for _, plan := range plans {
		plan.Nodes = maps.Clone(plan.Nodes)
		next[plan.Fleet] = plan
	}
	s.plans.Store(&next)
	for fleet := range s.nodes.wake() {
		if next[fleet].empty() {
			s.settings.Log.Warn("fleet has connected nodes and no snapshot", "fleet", fleet)
		}
	}
}

// snapshot returns what a node should have now, or nil.
func (s *Server) snapshot(id identity) *Snapshot {
	return (*s.plans.Load())[id.fleet].snapshot(id.name)
}
