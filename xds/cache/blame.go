package cache

// Blame says whose fault a refusal is.
type Blame string

// Whose fault a refusal can be.
const (
	// BlameOpen: one node has refused it, and others that could tell have not been asked.
	BlameOpen Blame = "open"
	// BlameResource: it counts against the resource.
	BlameResource Blame = "resource"
	// BlameNode: the refusing nodes are at fault themselves, as others of their Envoy version took it.
	BlameNode Blame = "node"
)

// blame decides. refusers is how many nodes of one Envoy version have refused a content alone; nodes is how many of that
// version are connected, the refusers among them; acknowledged tells whether any of that version has accepted it.
func blame(refusers, nodes int, acknowledged bool) Blame {
	switch {
	case acknowledged:
		return BlameNode
	case refusers >= 2, refusers == 1 && nodes <= 1:
		return BlameResource
	}
	return BlameOpen
}

// stateOfRefusing returns the state of a node that refuses contents: it is its own trouble if all of them are proven and each is
// the node's own fault.
func stateOfRefusing(blames []Blame) State {
	for _, b := range blames {
		if b != BlameNode {
			return StateRefused
		}
	}
	if len(blames) == 0 {
		return StateRefused // suspects only
	}
	return StateRefusedLocal
}
