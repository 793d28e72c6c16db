package gateway

import "time"

// Kind is the kind of a document.
type Kind string

// The kinds of documents.
const (
	KindGateway     Kind = "Gateway"
	KindUpstream    Kind = "Upstream"
	KindAPI         Kind = "API"
	KindRoute       Kind = "Route"
	KindBundle      Kind = "Bundle"
	KindIssuer      Kind = "Issuer"
	KindPolicy      Kind = "Policy"
	KindLimit       Kind = "Limit"
	KindCertificate Kind = "Certificate"
)

// API is one version of an API, or (Kind is KindRoute) a Route document, which is an API of one operation without contract.
type API struct {
	Kind         Kind
	Name         string
	Version      string // Empty for a Route document.
	Team         string
	Labels       map[string]string
	Stage        Stage
	Unlisted     Unlisted
	Expose       []Exposure
	To           []Destination
	Authenticate *Authenticate // nil: not said; an operation must say it then.
	Authorize    []Authorization
	Require      []Requirement `json:",omitempty"`
	Decisions    Recorded      `json:",omitempty"`
	Limits       []Limit
	WhenAway     WhenAway
	Headers      Headers `json:",omitzero"`
	Pages        []Page  `json:",omitempty"`
	Acts
	Timeout    time.Duration // For the authorization call; 0: the Gateway's.
	Operations []Operation
	Origin     Origin `json:"-"`
	// Claimed says that the team handed the document in itself, where otherwise the platform wrote the team's name into it. It may
	// be exposed only where a Gateway says so.
	Claimed bool `json:"-"`
	// Faulty says that the loader found faults in this document: what could be read of it serves only to tell which hosts
	// and base it meant.
	Faulty bool `json:"-"`
	// Held is set by Quarantine on a last good version: what its names meant then. They are looked up there first.
	Held *Documents `json:"-"`
	// Down is set by Quarantine where there is no good version: its hosts and base answer 503.
	Down bool
}

// Stage is where a version stands in its life.
type Stage string

// The stages of a version.
const (
	Draft      Stage = "draft"
	Published  Stage = "published"
	Deprecated Stage = "deprecated"
	Retired    Stage = "retired"
)

// Unlisted says what happens to requests below an API's base that match none of its operations.
type Unlisted string

// The ways to treat what is not listed.
const (
	Refuse  Unlisted = "refuse"  // Answered 404, or 405 where only the method is not listed.
	Forward Unlisted = "forward" // Sent on under the API's own authenticate, authorize and limits.
)

// Exposure is where an API is reachable.
type Exposure struct {
	Gateway string
	Hosts   []string // Exact names or "*.suffix"; empty: every host of the Gateway.
	Base    string   // Path prefix at a segment border, without trailing slash; empty: the root.
	Versioning
}

// Destination is one Upstream and its share of the requests.
type Destination struct {
	Upstream string
	Weight   int
}

// Authorization applies a Policy.
type Authorization struct {
	Policy  string
	With    map[string]any // Parameters, over those of the Policy; input.gatehouse.parameters in Rego.
	Mode    Mode           `json:",omitempty"`
	Percent float64        `json:",omitempty"` // Of requests for which Mode counts, the others being shadowed; 0: all of them.
}

// WhenAway says what becomes of a request while Gatehouse cannot be asked.
type WhenAway struct {
	Authorization FailureMode // Closed where not said.
	Limits        FailureMode // Open where not said.
}

// FailureMode is closed (the request is refused with 503) or open (it goes on).
type FailureMode string

// The failure modes.
const (
	Closed FailureMode = "closed"
	Open   FailureMode = "open"
)

// Operation is one thing an API can do.
type Operation struct {
	ID    string
	Match Match
	// Scopes are what the contract's security requirements ask for (OpenAPI 3.1, 4.8.30): all scopes of one of them.
	Scopes       [][]string       `json:",omitempty"`
	To           []Destination    // nil: the API's.
	Authenticate *Authenticate    // nil: the API's.
	Authorize    *[]Authorization // nil: the API's.
	Require      []Requirement    `json:",omitempty"` // Beside the API's.
	Limits       *[]Limit         // nil: the API's.
	Headers      Headers          `json:",omitzero"` // Of each header, before the API.
	Acts
	// Field is the path of this operation inside its document ("operations[2]"), for faults. Where a contract lists the
	// operation and the document does not repeat it, it is "contract".
	Field string `json:"-"`
}
