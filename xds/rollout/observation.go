package rollout

import (
	"slices"
	"time"
)

// Observation is what is known about a fleet at one moment.
type Observation struct {
	Now      time.Time
	Nodes    []Node    // All that are known, connected or not.
	Refusals []Refusal // Of resources of the version that rolls out.
	Meter    Meter     // nil: there are no figures.
}

// Node is one Envoy.
type Node struct {
	Name         string
	Envoy        string // Its version.
	Labels       map[string]string
	Connected    bool
	Acknowledged string // The Version.Revision of which it has acknowledged all, on its present stream.
}

// Refusal is a resource that nodes did not accept.
type Refusal struct {
	Resource string   // Its type and name.
	Text     string   // Envoy's words.
	Origin   string   // file:line of the document; empty where it is not known.
	Nodes    []string // Who refuses it.
	// Accepted holds the Envoy versions of which a node has acknowledged it.
	Accepted []string
}

// Meter knows the figures of the access log.
type Meter interface {
	// Figures adds up what nodes of a fleet reported in the spans given for them.
	Figures(fleet string, spans []Span) Figures
}

// Span is a time on one node. To is not part of it; zero means until now.
type Span struct {
	Node     string
	From, To time.Time
}

// Figures are what is judged of requests.
type Figures struct {
	Requests uint64
	Errors   uint64  // Answered with 5xx, by whomever.
	Denials  uint64  // Denied by authentication or authorization, not by the upstream.
	Latency  Latency // nil: nothing is known.
}

// Latency is how long requests took.
type Latency interface {
	// Count returns how many requests it is about.
	Count() uint64
	// Quantile returns what a share q of the requests, from 0 to 1, did not exceed.
	Quantile(q float64) time.Duration
	// Above returns how many requests took longer.
	Above(d time.Duration) uint64
}

func (o *Observation) figures(fleet string, spans []Span) Figures {
	if o.Meter == nil || len(spans) == 0 {
		return Figures{}
	}
	return o.Meter.Figures(fleet, spans)
}

func (o *Observation) node(name string) (Node, bool) {
	i := slices.IndexFunc(o.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{Name: name}, false
	}
	return o.Nodes[i], true
}
