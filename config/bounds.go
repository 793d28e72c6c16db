package config

import (
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxHeaderSize is the most that Envoy takes of one request's headers (max_request_headers_kb).
const maxHeaderSize = 8 << 20

// maxBuffer bounds what an Envoy may be made to hold of one connection.
const maxBuffer = 64 << 20

// boundsFields are what listeners take. A Gateway says it for all of its listeners, a listener for itself.
type boundsFields struct {
	Connections int      `yaml:"connections" jsonschema:"minimum=1,maximum=1000000" doc:"Connections that are open at a time, on one Envoy; with TLS, of those that meet one certificate. One more is closed at once. Where not said, only the Envoy's own bound on all of its connections holds."`
	Age         duration `yaml:"connection-age" doc:"After this a connection is closed in good order. Never where not said."`
	Requests    int      `yaml:"requests-per-connection" jsonschema:"minimum=1,maximum=1000000000" doc:"After this many requests a connection is closed in good order. Never where not said."`
	Streams     int      `yaml:"streams" jsonschema:"minimum=1,maximum=10000,default=100" doc:"Requests that are open at a time on one connection of HTTP/2."`
	HeaderSize  byteSize `yaml:"header-size" jsonschema:"default=60KiB" doc:"Of all headers of a request, the path among them. One with more gets 431."`
	HeaderCount int      `yaml:"header-count" jsonschema:"minimum=10,maximum=10000,default=100" doc:"Headers of a request. One with more gets 431."`
	Buffer      byteSize `yaml:"buffer" jsonschema:"default=32KiB" doc:"What an Envoy holds of a connection before it stops reading. A request whose body is looked at whole may be held up to the size that this needs."`
	Idle        duration `yaml:"idle" jsonschema:"default=5m" doc:"After this a connection without a request is closed."`
	Quiet       duration `yaml:"quiet" jsonschema:"default=5m" doc:"After this a request of which nothing moves in either direction is ended."`
	Headers     duration `yaml:"headers" jsonschema:"default=10s" doc:"From a request's first byte to the end of its headers. One that takes longer gets 408."`
	Request     duration `yaml:"request" jsonschema:"default=5m" doc:"From a request's first byte to its last, unless the answer begins before. One that takes longer gets 408."`
}

func (f boundsFields) bounds(o *object, at string) gateway.Bounds {
	for _, s := range []struct {
		name  string
		size  byteSize
		least byteSize
		most  byteSize
	}{{"header-size", f.HeaderSize, 1 << 10, maxHeaderSize}, {"buffer", f.Buffer, 4 << 10, maxBuffer}} {
		if s.size != 0 && (s.size < s.least || s.size > s.most) {
			o.fault(gateway.CodeBadValue, join(at, s.name), "the size %s is out of range: write one from %s to %s", s.size, s.least, s.most)
		}
	}
	if f.HeaderSize%(1<<10) != 0 {
		o.fault(gateway.CodeBadValue, join(at, "header-size"), "Envoy measures headers in whole KiB: write such a size")
	}
	return gateway.Bounds{
		Connections: f.Connections, RequestsPerConnection: f.Requests, Age: time.Duration(f.Age),
		Streams: f.Streams, HeaderSize: int(f.HeaderSize), HeaderCount: f.HeaderCount, Buffer: int(f.Buffer),
		Idle: time.Duration(f.Idle), Quiet: time.Duration(f.Quiet), Headers: time.Duration(f.Headers), Request: time.Duration(f.Request),
	}
}
