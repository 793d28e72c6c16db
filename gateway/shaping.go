package gateway

import (
	"net/netip"
	"time"
)

// Shaping is what becomes of requests and responses on their way, beside who may send them: each field is nil where nothing is
// said of it, so that the wider level decides, and its zero value where a document says none.
type Shaping struct {
	CORS        *CORS         `json:",omitempty"`
	Compression *Compression  `json:",omitempty"`
	MaxBody     *int64        `json:",omitempty"` // Bytes of a request's body; 0: any number.
	Query       *QueryChanges `json:",omitempty"`
	Faults      *Injection    `json:",omitempty"`
	Body        *BodyChanges  `json:",omitempty"`
	GRPCWeb     *bool         `json:",omitempty"`
	Transcoding *Transcoding  `json:",omitempty"`
	Addresses   *AddressLists `json:",omitempty"`
}

// Over returns this shaping over a wider one: of each field, the narrowest level that says it decides.
func (s Shaping) Over(wider Shaping) Shaping {
	return Shaping{
		CORS: first(s.CORS, wider.CORS), Compression: first(s.Compression, wider.Compression), MaxBody: first(s.MaxBody, wider.MaxBody),
		Query: first(s.Query, wider.Query), Faults: first(s.Faults, wider.Faults), Body: first(s.Body, wider.Body),
		GRPCWeb: first(s.GRPCWeb, wider.GRPCWeb), Transcoding: first(s.Transcoding, wider.Transcoding), Addresses: first(s.Addresses, wider.Addresses),
	}
}

func first[T any](narrow, wide *T) *T {
	if narrow != nil {
		return narrow
	}
	return wide
}

// settled returns the shaping without what says none.
func (s Shaping) settled() Shaping {
	if s.CORS != nil && len(s.CORS.Origins)+len(s.CORS.Patterns) == 0 {
		s.CORS = nil
	}
	if s.Compression != nil && len(s.Compression.Algorithms) == 0 {
		s.Compression = nil
	}
	if s.MaxBody != nil && *s.MaxBody == 0 {
		s.MaxBody = nil
	}
	if s.Query != nil && len(s.Query.Set)+len(s.Query.Add)+len(s.Query.Remove) == 0 {
		s.Query = nil
	}
	if s.Faults != nil && s.Faults.Delay == 0 && s.Faults.Abort == 0 {
		s.Faults = nil
	}
	if s.Body != nil && s.Body.Request == nil && s.Body.Response == nil {
		s.Body = nil
	}
	if s.GRPCWeb != nil && !*s.GRPCWeb {
		s.GRPCWeb = nil
	}
	if s.Transcoding != nil && len(s.Transcoding.Services) == 0 {
		s.Transcoding = nil
	}
	if s.Addresses != nil && len(s.Addresses.Allow)+len(s.Addresses.Deny) == 0 {
		s.Addresses = nil
	}
	return s
}

// answering is what of it holds also where Envoy answers by itself: who may come at all, and how the answer is written.
func (s Shaping) answering() Shaping {
	return Shaping{Compression: s.Compression, GRPCWeb: s.GRPCWeb, Addresses: s.Addresses}
}

// shape gives a route what its Gateway says of traffic beside what the route has already.
func (r *Route) shape(g *Gateway) {
	wider := g.Shaping
	if r.Action != ActionForward {
		wider = wider.answering()
	}
	r.Shaping = r.Shaping.Over(wider).settled()
}

// CORS says which pages of other origins may call, and what of the answers they may read (Fetch standard, 3.2). The zero value
// says that none may.
type CORS struct {
	Origins        []string      `json:",omitempty"` // "https://app.bank.test", "https://*.bank.test", or AnyOrigin.
	Patterns       []string      `json:",omitempty"` // Regular expressions of whole origins.
	Methods        []string      `json:",omitempty"`
	Headers        []string      `json:",omitempty"`
	Expose         []string      `json:",omitempty"`
	MaxAge         time.Duration `json:",omitempty"` // 0: the browser's own.
	Credentials    bool          `json:",omitempty"`
	PrivateNetwork bool          `json:",omitempty"`
}

// OriginLabels is the regular expression of what "*" stands for in an origin: one label of a host, or several.
const OriginLabels = `[a-z0-9_-]+(\.[a-z0-9_-]+)*`

// AnyOrigin stands for every origin.
const AnyOrigin = "*"

// Compression says how responses are compressed. The zero value says that they are not.
type Compression struct {
	Algorithms []Algorithm
	Types      []string
	Minimum    int64 // Bytes of a body below which it stays as it is, where its length is known.
}

// Algorithm is a way to compress, as Accept-Encoding names it but for brotli ("br").
type Algorithm string

// The algorithms, the first preferred where a client takes several alike.
const (
	Brotli Algorithm = "brotli"
	Zstd   Algorithm = "zstd"
	Gzip   Algorithm = "gzip"
)

// Injection are faults that are put into a part of the requests until a time.
type Injection struct {
	Delay   time.Duration `json:",omitempty"`
	Abort   int           `json:",omitempty"` // Status of the answer in place of the upstream's; 0: none.
	Percent float64       // Of the requests that have Headers.
	Headers []HeaderTest  `json:",omitempty"`
	Until   time.Time
}

// AddressLists say where requests may come from: from Allow, where there is any, and not from Deny.
type AddressLists struct {
	Allow []netip.Prefix `json:",omitempty"`
	Deny  []netip.Prefix `json:",omitempty"`
}

// Transcoding turns requests of JSON into calls of gRPC (google/api/http.proto). The zero value says that none are.
type Transcoding struct {
	Descriptors []byte   // A FileDescriptorSet with all imports.
	Services    []string // Full names.
}
