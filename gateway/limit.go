package gateway

import "time"

// Limit bounds what is spent for each value of Key: a request is let through where all of its Windows admit its Cost.
type Limit struct {
	Name string
	// Of names the Limit document whose limit is meant, in documents; that one's settings are the limit's then, but for a Mode that
	// stands here. Assemble takes it away.
	Of string `json:",omitempty"`
	// Key is what is counted by, in this order: "client.address", "token.CLAIM", "header.NAME", "query.NAME",
	// "path.PARAMETER", "consumer", "application", "plan"; empty: all requests together.
	Key     []string
	Windows []Window   // At least one. All of them hold.
	When    *LimitWhen `json:",omitempty"` // nil: every request counts.
	Cost    Cost       `json:",omitzero"`
	Mode    Mode       `json:",omitempty"` // Enforce, or Shadow: it counts and is told of, and refuses nothing.
	// SpendRefused makes a request spend also where a policy or another limit refuses it.
	SpendRefused bool `json:",omitempty"`
	// StoreAway says what becomes of a request while the store of this limit cannot be asked; empty: as WhenAway.Limits says.
	StoreAway    StoreAway     `json:",omitempty"`
	StoreTimeout time.Duration `json:",omitempty"` // How long one call waits for the store; 0: 20 ms.
	// Lease is how much a replica may borrow from the store at a time and spend by itself; 0: nothing, which is exact.
	Lease   int64       `json:",omitempty"`
	Enforce Enforcement `json:",omitempty"`
	// Ceiling lets each Envoy refuse by itself, before it calls, what is far beyond the limit.
	Ceiling bool `json:",omitempty"`
	// Scope is whose requests are counted together: "payments/v1" for a limit of the API, "payments/v1/getPayment" for one of an
	// operation, "route/NAME" for one of a Route document, "limit/NAME" for all that name a Limit document. Assemble fills it.
	Scope string
}

// Window admits Limit, in the way that Arithmetic says.
type Window struct {
	Limit      int64
	Per        time.Duration // 0 only where Every is set.
	Arithmetic Arithmetic    `json:",omitempty"`
	Burst      int64         `json:",omitempty"` // With Paced and Tokens.
	Every      Period        `json:",omitempty"` // Of a quota: a period of the calendar in place of Per.
	Anchor     int           `json:",omitempty"` // On which day the period begins: 1 to 31 of a month, 1 (Monday) to 7 of a week; 0: 1.
	Zone       string        `json:",omitempty"` // An IANA time zone; empty: UTC.
}

// Arithmetic is how a window counts.
type Arithmetic string

// The arithmetics.
const (
	Sliding Arithmetic = ""       // In no interval of length Per more than Limit.
	Paced   Arithmetic = "paced"  // GCRA: at most Burst + Limit/Per x time over any interval.
	Fixed   Arithmetic = "fixed"  // Limit in each interval of length Per that begins at a multiple of it since the epoch.
	Tokens  Arithmetic = "tokens" // A bucket of Burst tokens, into which Limit flow per Per.
	Quota   Arithmetic = "quota"  // Limit in each period of the calendar.
)

// Period is a period of the calendar.
type Period string

// The periods.
const (
	Daily   Period = "day"
	Weekly  Period = "week"
	Monthly Period = "month"
)

// LimitWhen says which requests a limit counts: those for which all of its lists that are not empty hold.
type LimitWhen struct {
	Headers []HeaderTest `json:",omitempty"`
	Query   []Condition  `json:",omitempty"`
	Claims  []ClaimTest  `json:",omitempty"` // Of a token that Envoy verified.
	Plans   []string     `json:",omitempty"` // One of them is the caller's.
}

// Cost is how much a request spends. The zero value is 1. What is to be a number and is none counts as 1, and is reported.
type Cost struct {
	Number int64 `json:",omitempty"` // 0: 1, where From is empty.
	// From is where the number stands: "header.NAME", "token.CLAIM" or "body.size" of the request, known before it goes on, or
	// "response.header.NAME" or "response.size", spent when the stream ends; empty: it is Number.
	From string `json:",omitempty"`
	Per  int64  `json:",omitempty"` // For sizes: bytes that cost 1, begun ones counted whole; 0: one byte.
}

// StoreAway is what becomes of a request while the store of a limit cannot be asked.
type StoreAway string

// What there is to do.
const (
	StoreOpen   StoreAway = "open"   // It goes on, and is counted as let through.
	StoreClosed StoreAway = "closed" // It is refused with 503.
	StoreLocal  StoreAway = "local"  // Each replica counts by itself, for its part of the limit.
)

// Enforcement is where a limit is counted.
type Enforcement string

// The enforcements.
const (
	Exact Enforcement = "" // By Gatehouse, one call for each request.
	// Distributed is by each Envoy for itself, which gets its share of the limit (rate_limit_quota).
	Distributed Enforcement = "distributed"
)
