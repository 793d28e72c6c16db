package rollout

import "slices"

// refusal judges what nodes refused. It returns the reason to stop, or else what is still to be found out. One refusal is the
// node's own fault where a node of its Envoy version accepted the resource. It counts against the resource where two nodes
// refuse it, or one that is the only one of its Envoy version; as long as there is another to ask, it is asked.
func (s *State) refusal(o *Observation) (stop, trial *Reason) {
	r := s.Rollout
	own := map[string]bool{}
	for _, refused := range o.Refusals {
		suspects := s.suspects(&refused, o, own)
		switch {
		case len(suspects) == 0:
			continue
		case len(suspects) > 1 || s.alone(o, suspects[0]):
			return refused.reason(suspects), nil
		case !s.asks(o, suspects[0]) && !s.try(o, suspects[0].Envoy):
			return refused.reason(suspects), nil
		}
		trial = because(CodeTrial, "%s refuses %s, another node is asked", suspects[0].Name, refused.Resource)
	}
	for name, m := range r.Members {
		m.Refused = own[name]
		r.Members[name] = m
	}
	return nil, trial
}

// suspects returns the connected nodes whose refusal may be the resource's fault, and notes those that are at fault
// themselves.
func (s *State) suspects(f *Refusal, o *Observation, own map[string]bool) []Node {
	var out []Node
	for _, name := range f.Nodes {
		n, known := o.node(name)
		switch {
		case !known || !n.Connected:
		case slices.Contains(f.Accepted, n.Envoy), s.accepted(o, n):
			own[name] = true
		default:
			out = append(out, n)
		}
	}
	return out
}

// accepted reports whether another node of the same Envoy version has acknowledged the whole version.
func (s *State) accepted(o *Observation, n Node) bool {
	return slices.ContainsFunc(o.Nodes, func(other Node) bool {
		return other.Name != n.Name && other.Envoy == n.Envoy && other.Acknowledged == s.Rollout.To.Revision
	})
}

// alone reports whether a node is the only connected one of its Envoy version.
func (s *State) alone(o *Observation, n Node) bool {
	return !slices.ContainsFunc(o.Nodes, func(other Node) bool {
		return other.Connected && other.Name != n.Name && other.Envoy == n.Envoy
	})
}

// asks reports whether another connected node of the same Envoy version has the version and has not answered yet.
func (s *State) asks(o *Observation, n Node) bool {
	r := s.Rollout
	return slices.ContainsFunc(o.Nodes, func(other Node) bool {
		_, member := r.Members[other.Name]
		return other.Connected && other.Name != n.Name && other.Envoy == n.Envoy && member && other.Acknowledged != r.To.Revision
	})
}

func (f *Refusal) reason(nodes []Node) *Reason {
	list := make([]string, len(nodes))
	for i, n := range nodes {
		list[i] = n.Name
	}
	at := ""
	if f.Origin != "" {
		at = " (" + f.Origin + ")"
	}
	return because(CodeRefusal, "%s refused %s%s: %s", names(list), f.Resource, at, f.Text)
}
