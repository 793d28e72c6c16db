package cache

// crew are the nodes of one fleet and one Envoy version.
type crew struct{ fleet, envoy string }

// Refused returns what nodes have refused alone, so that there is no doubt which resource they mean, sorted by fleet, type and
// name. A refusal is kept for as long as a disconnected node is (Settings.Keep), at most 1,000 of them. While a resource is
// still being looked for among others, it is not in here.
func (s *Server) Refused() []Verdict {
	nodes := s.witness()
	return s.book.verdicts(nodes)
}

// Retry forgets what a node has refused and sends it again, once, whatever other nodes think of it. It tells whether the node is
// known; what a disconnected one refused is sent when it is back.
func (s *Server) Retry(fleet, node string) bool {
	id := identity{fleet, node}
	s.book.forget(id)
	return s.nodes.retry(id)
}

// witness asks the connected nodes what they have of the contents that are in the book, and counts them.
func (s *Server) witness() map[crew]int {
	s.book.expire(s.settings.Now().Add(-s.settings.Keep))
	sessions := s.nodes.connected()
	nodes := map[crew]int{}
	for _, session := range sessions {
		nodes[crew{session.id.fleet, session.node.Envoy}]++
	}
	for _, c := range s.book.open() {
		if s.acknowledged(c, sessions) {
			s.book.accepted(c.envoy, c.kind, map[string]*Resource{c.name: {Version: c.version}})
		}
	}
	return nodes
}

// acknowledged tells whether any node has a content.
func (s *Server) acknowledged(c charge, sessions []*session) bool {
	if c.version == "" {
		return false
	}
	for _, session := range sessions {
		if session.node.Envoy == c.envoy && session.has(c) {
			return true
		}
	}
	return false
}

// Nodes returns what is known about every node, connected or not long gone, sorted by fleet and name.
func (s *Server) Nodes() []Node { return s.describe("", (*session).describe) }

// Fleet returns the same about the nodes of one fleet, without their Types: counting these takes long with many resources,
// and who follows a fleet asks often.
func (s *Server) Fleet(name string) []Node {
	nodes := s.describe(name, (*session).outline)
	for i := range nodes {
		nodes[i].Types = nil
	}
	return nodes
}

// describe returns nodes with their final states.
func (s *Server) describe(fleet string, how func(*session) account) []Node {
	crews := s.witness()
	accounts := s.nodes.list(s.settings.Now(), fleet, how)
	nodes := make([]Node, 0, len(accounts))
	for _, a := range accounts {
		s.judge(&a.Node, a.refusing, crews)
		nodes = append(nodes, a.Node)
	}
	return nodes
}

// judge gives a node that refuses something its final state.
func (s *Server) judge(n *Node, refusing []charge, nodes map[crew]int) {
	if n.State == StateRefused {
		n.State = stateOfRefusing(s.book.blames(n.Fleet, n.Envoy, refusing, nodes))
	}
}
