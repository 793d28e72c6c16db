package analytics

import "time"

// Record is one finished request, as an Envoy reported it. Texts are as reported, cut to a bounded length; a name need not
// exist in any revision.
type Record struct {
	Fleet string
	Node  string
	// Stream and Sequence identify the record within this process: the number of the stream that brought it (each worker of
	// an Envoy has its own) and its place in that stream, from 1.
	Stream   uint64
	Sequence uint64

	// Time is when Envoy received the request's first byte. Where it does not say, or differs by more than 31 days from our
	// clock, it is when the entry arrived.
	Time      time.Time
	RequestID string // x-request-id.

	// Who called. Empty until credentials belong to applications.
	Application  string
	Subscription string
	Plan         string

	// What was called, from the route's metadata; all empty for a request that matched no route. A Route document has the
	// API "-" and no version.
	API       string
	Version   string
	Operation string
	Rules     string // Content hash, see gateway.Route.Rules.

	Path    string // Without the query.
	Method  string // OTHER for methods that the access log format does not know.
	Status  int    // 0: the client went away before there was an answer. At most 999.
	Class   Class
	Details string // Envoy's response code details, such as via_upstream or route_not_found.
	Flags   string // Envoy's response flags in their short form, joined by commas: "UF,URX".

	FirstByte time.Duration // From the request's first byte to the answer's first byte; 0: unknown.
	LastByte  time.Duration // From the request's first byte to the answer's last byte, or to the end; 0: unknown.
	BytesIn   uint64        // Body of the request.
	BytesOut  uint64        // Body of the answer.

	Answered   Responder
	Limited    bool `json:",omitzero"` // Refused because a limit is reached, whichever of Gatehouse's services said so.
	LetThrough LetThrough

	entry *entry // For Evidence.
}

// Evidence returns what the Envoy tells of how the request was decided.
func (r *Record) Evidence() Evidence {
	if r.entry == nil {
		return Evidence{}
	}
	return r.entry.evidence()
}

// WouldRefuse reports whether an access rule that is only tried would have refused the request.
func (r *Record) WouldRefuse() bool { return r.entry != nil && r.entry.wouldRefuse() }

// LetThrough says which calls to Gatehouse failed on a request that went on to its upstream nevertheless, because its API
// says open.
type LetThrough struct {
	Authorization bool
	Limits        bool
}

// Denied reports whether authentication or authorization denied the request: with 401 or 403 in Envoy (token verification,
// the guard), with any status below 500 in Gatehouse. What an upstream denies is its own affair, a limit is no denial, and
// an authorization that is away is an error.
func (r *Record) Denied() bool {
	switch r.Answered {
	case Gatehouse:
		return r.Details == detailsDenied && !r.Limited && r.Status < 500
	case Envoy:
		return r.Status == 401 || r.Status == 403
	}
	return false
}

func (r *Record) routed() bool { return r.API != "" }

// Responder is who answered a request.
type Responder string

// Those who answer.
const (
	Nobody    Responder = "" // The client went away before there was an answer.
	Upstream  Responder = "upstream"
	Gatehouse Responder = "gatehouse" // The authorization or the rate limit service said no.
	Envoy     Responder = "envoy"     // A local reply: no route, guard, token, no healthy upstream, timeout.
)

// Class is the class of a status code.
type Class uint8

// The classes of status codes (RFC 9110 section 15).
const (
	NoStatus Class = iota // No answer was begun.
	Informational
	Success
	Redirection
	ClientError
	ServerError
	OtherStatus // 600 and above, or below 100.
	classes     = iota
)

// classOf returns the class of a status code.
func classOf(status int) Class {
	switch {
	case status == 0:
		return NoStatus
	case status < 100 || status > 599:
		return OtherStatus
	}
	return Class(status / 100) //nolint:gosec // 1 to 5.
}

// String returns "none", "1xx" to "5xx", or "other".
func (c Class) String() string {
	names := [...]string{None, "1xx", "2xx", "3xx", "4xx", "5xx"}
	if int(c) < len(names) {
		return names[c]
	}
	return Other
}

// MarshalText returns what String returns.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
