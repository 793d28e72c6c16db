package cache

import "sync/atomic"

// TypeCounters count what was sent to all nodes since the Server was made, for one resource type.
type TypeCounters struct {
	Type      string // type URL
	Responses uint64
	Resources uint64 // sent, not counting those named as removed
	Bytes     uint64 // of marshalled responses
	Refusals  uint64 // responses that were not accepted
}

// counters are the same, as they are counted.
type counters [kinds]struct {
	responses, resources, bytes, refusals atomic.Uint64
}

// sent counts a response that was handed to the network.
func (c *counters) sent(o output) {
	c[o.kind].responses.Add(1)
	c[o.kind].resources.Add(uint64(len(o.message.GetResources())))
	c[o.kind].bytes.Add(uint64(o.size))
}

// Counters returns what was sent to all nodes since the Server was made, by type in order of delivery.
func (s *Server) Counters() []TypeCounters {
	all := make([]TypeCounters, 0, kinds)
	for k := range kinds {
		c := &s.counters[k]
		all = append(all, TypeCounters{
			Type:      k.url(),
			Responses: c.responses.Load(),
			Resources: c.resources.Load(),
			Bytes:     c.bytes.Load(),
			Refusals:  c.refusals.Load(),
		})
	}
	return all
}

// BytesSent returns the bytes of all responses that were sent since the Server was made.
func (s *Server) BytesSent() uint64 {
	var total uint64
	for _, c := range s.Counters() {
		total += c.Bytes
	}
	return total
}
