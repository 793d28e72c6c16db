package analytics

import (
	"slices"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

const (
	// maxPeers bounds of how many other processes steps are kept.
	maxPeers = 64
	// maxSketch bounds the bytes of a sketch that is taken from elsewhere.
	maxSketch = 64 << 10
)

// Step is what one node did in one step of the last minutes (Options.Step), as one process counted it. It travels as JSON.
type Step struct {
	Fleet    string `json:"fleet"`
	Node     string `json:"node"`
	Number   int64  `json:"number"` // In steps since 1970, by the clock of the process that counted.
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors,omitempty"`
	Denials  uint64 `json:"denials,omitempty"`
	Latency  []byte `json:"latency,omitempty"` // A sketch, as DDSketch encodes it; empty: no latency is known.
}

// Steps returns what this process counted in the steps that had not ended at a time, in no order. What Learn was told is not in
// it.
func (s *Service) Steps(since time.Time) []Step {
	return s.recent.export(since.UnixNano()/int64(s.recent.step), s.now())
}

// Learn takes what another process counted into Figures. Steps that it has told before are replaced, so that it may tell each
// again and again while it grows. What cannot be read, or is too old to be asked for, is left out.
func (s *Service) Learn(process string, steps []Step) {
	s.peersMu.Lock()
	defer s.peersMu.Unlock()
	of := s.peers[process]
	if of == nil {
		if len(s.peers) >= maxPeers {
			return
		}
		var err error
		if of, err = newRecent(s.recent.step, time.Duration(s.recent.steps)*s.recent.step, s.recent.limit); err != nil {
			return // The bins are those of our own steps.
		}
		s.peers[process] = of
	}
	now := s.now().UnixNano() / int64(of.step)
	for _, one := range steps {
		if one.Number > now-of.steps && one.Number <= now+of.steps {
			of.learn(one)
		}
	}
}

// Forget drops what all other processes than those named told.
func (s *Service) Forget(but []string) {
	s.peersMu.Lock()
	defer s.peersMu.Unlock()
	for process := range s.peers {
		if !slices.Contains(but, process) {
			delete(s.peers, process)
		}
	}
}

// figures adds up what this process and others counted.
func (s *Service) figures(fleet string, spans []Span) Figures {
	f := s.recent.figures(fleet, spans, s.now())
	s.peersMu.Lock()
	defer s.peersMu.Unlock()
	for _, of := range s.peers {
		of.addFigures(&f, fleet, spans, s.now())
	}
	return f
}

// learn puts a step in its place.
func (c *recent) learn(one Step) {
	var latency *ddsketch.DDSketch
	if n := len(one.Latency); n > 0 && n <= maxSketch {
		read, err := ddsketch.DecodeDDSketch(one.Latency, store.BufferedPaginatedStoreConstructor, c.mapping)
		if err != nil || !read.Equals(c.mapping) {
			return
		}
		latency = read
	}
	of := c.ring(sender{one.Fleet, one.Node})
	of.last.Store(max(of.last.Load(), one.Number))
	of.mu.Lock()
	defer of.mu.Unlock()
	place := &of.steps[one.Number%c.steps]
	if place.number <= one.Number {
		*place = step{number: one.Number, requests: one.Requests, errors: one.Errors, denials: one.Denials, latency: latency}
	}
}

// export returns the steps from a number on.
func (c *recent) export(from int64, now time.Time) []Step {
	c.mu.RLock()
	defer c.mu.RUnlock()
	from = max(from, now.UnixNano()/int64(c.step)-c.steps+1)
	var out []Step
	for of, r := range c.nodes {
		if r.last.Load() >= from {
			out = r.export(out, of, from)
		}
	}
	return out
}

func (r *ring) export(out []Step, of sender, from int64) []Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.steps {
		s := &r.steps[i]
		if s.number < from || s.requests == 0 {
			continue
		}
		one := Step{Fleet: of.fleet, Node: of.node, Number: s.number, Requests: s.requests, Errors: s.errors, Denials: s.denials}
		if s.latency != nil {
			s.latency.Encode(&one.Latency, true)
		}
		out = append(out, one)
	}
	return out
}
