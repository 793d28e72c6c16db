package rollout

import (
	"bytes"
	"crypto/sha256"
	"math"
	"slices"
)

// order sorts nodes as waves take them: those that are connected first, each part by the hash of the name. So a fleet's
// first wave is the same nodes at every rollout, whoever counts them.
func order(fleet string, nodes []Node) []Node {
	type keyed struct {
		node Node
		hash [sha256.Size]byte
	}
	list := make([]keyed, len(nodes))
	for i, n := range nodes {
		list[i] = keyed{n, sha256.Sum256([]byte(fleet + "\x00" + n.Name))}
	}
	slices.SortFunc(list, func(a, b keyed) int {
		if a.node.Connected != b.node.Connected {
			if a.node.Connected {
				return -1
			}
			return 1
		}
		return bytes.Compare(a.hash[:], b.hash[:])
	})
	out := make([]Node, len(list))
	for i, k := range list {
		out[i] = k.node
	}
	return out
}

// named reports whether a wave tells its nodes by name or label.
func (w Wave) named() bool { return len(w.Nodes) > 0 || len(w.Labels) > 0 }

// has reports whether a wave that tells its nodes by name or label has one.
func (w Wave) has(n Node) bool {
	if len(w.Labels) == 0 {
		return slices.Contains(w.Nodes, n.Name)
	}
	for k, v := range w.Labels {
		if n.Labels[k] != v {
			return false
		}
	}
	return true
}

// size returns how many of the known nodes a percentage is, rounded up.
func (w Wave) size(known int) int { return max(1, int(math.Ceil(w.Percent*float64(known)/all))) }

// enter begins a wave: it makes its nodes members and notes what they did before.
func (s *State) enter(wave int, o *Observation) Event {
	r := s.Rollout
	r.Wave, r.WaveBegan, r.Waited, r.Waived, r.Waiting = wave, o.Now, o.Now, false, nil
	r.unsettle()
	w := r.Strategy.Waves[wave]
	for _, n := range order(s.Fleet, o.Nodes) {
		if w.named() && w.has(n) || !w.named() && len(r.Members) < w.size(len(o.Nodes)) {
			r.add(n.Name, Member{Wave: wave})
		}
	}
	s.look(o)
	return Event{Fleet: s.Fleet, Version: r.To, Wave: wave, Phase: r.Phase}
}

// add makes a node a member, if it is none.
func (r *Rollout) add(name string, m Member) {
	if _, is := r.Members[name]; !is {
		r.Members[name] = m
	}
}

// look notes the figures of the wave's nodes from before it.
func (s *State) look(o *Observation) {
	r := s.Rollout
	var spans []Span
	for name, m := range r.Members {
		if m.Wave == r.Wave {
			spans = append(spans, Span{Node: name, From: r.WaveBegan.Add(-r.Strategy.Before), To: r.WaveBegan})
		}
	}
	r.Before = o.figures(s.Fleet, spans).baseline()
}

// try takes one more node into the wave: one of an Envoy version, where it is not empty. False: there is none.
func (s *State) try(o *Observation, version string) bool {
	r := s.Rollout
	for _, n := range order(s.Fleet, o.Nodes) {
		if _, is := r.Members[n.Name]; is || !n.Connected || version != "" && n.Envoy != version {
			continue
		}
		r.add(n.Name, Member{Wave: r.Wave, Tried: true})
		r.unsettle()
		s.look(o)
		return true
	}
	return false
}
