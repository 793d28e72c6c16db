package gateway

import (
	"cmp"
	"time"
)

// Bounds are what a Listener takes from one client or from all: connections, sizes and times. They shape what arrives, and no
// decision about a request depends on them. 0 means that nothing is said.
type Bounds struct {
	Connections           int           `json:",omitempty"` // Open at a time on one Envoy, for each filter chain; above that they are closed at once.
	RequestsPerConnection int           `json:",omitempty"` // After that many a connection is closed in good order.
	Age                   time.Duration `json:",omitempty"` // After that a connection is closed in good order.
	Streams               int           `json:",omitempty"` // Open at a time on one HTTP/2 connection (RFC 9113 5.1.2).
	HeaderSize            int           `json:",omitempty"` // Bytes of a request's headers, all together.
	HeaderCount           int           `json:",omitempty"` // Of a request.
	Buffer                int           `json:",omitempty"` // Bytes that an Envoy holds of one connection before it stops reading.
	Idle                  time.Duration `json:",omitempty"` // A connection without a request.
	Quiet                 time.Duration `json:",omitempty"` // A request of which nothing moves.
	Headers               time.Duration `json:",omitempty"` // From a request's first byte to the end of its headers.
	Request               time.Duration `json:",omitempty"` // From a request's first byte to its last, unless the answer begins before.
}

// StandardBounds are those of a Listener of which nothing is said, after Envoy's advice for proxies at the edge. The others have no
// bound of their own.
func StandardBounds() Bounds {
	return Bounds{
		Streams: 100, HeaderSize: 60 << 10, HeaderCount: 100, Buffer: 32 << 10,
		Idle: 5 * time.Minute, Quiet: 5 * time.Minute, Headers: 10 * time.Second, Request: 5 * time.Minute,
	}
}

// Over returns the bounds with those of others where they say nothing.
func (b Bounds) Over(others Bounds) Bounds {
	return Bounds{
		Connections:           cmp.Or(b.Connections, others.Connections),
		RequestsPerConnection: cmp.Or(b.RequestsPerConnection, others.RequestsPerConnection),
		Age:                   cmp.Or(b.Age, others.Age),
		Streams:               cmp.Or(b.Streams, others.Streams),
		HeaderSize:            cmp.Or(b.HeaderSize, others.HeaderSize),
		HeaderCount:           cmp.Or(b.HeaderCount, others.HeaderCount),
		Buffer:                cmp.Or(b.Buffer, others.Buffer),
		Idle:                  cmp.Or(b.Idle, others.Idle),
		Quiet:                 cmp.Or(b.Quiet, others.Quiet),
		Headers:               cmp.Or(b.Headers, others.Headers),
		Request:               cmp.Or(b.Request, others.Request),
	}
}
