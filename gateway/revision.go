package gateway

// Documents are all objects of a configuration as written, names not yet resolved.
type Documents struct {
	Gateways  []*Gateway
	Upstreams []*Upstream
	APIs      []*API // API and Route documents.
	Issuers   []*Issuer
	Policies  []*Policy
	Bundles   []*Bundle
	Limits    []*SharedLimit

	Certificates []*Certificate
	// Library are the Policies that ship with Gatehouse. They stand in no document, and each is part of a Revision only where it is
	// applied.
	Library []*Policy
	// Files holds every file that was read, by its path relative to the directory: documents, contracts, Rego, key sets.
	Files map[string][]byte
	// Broken names the objects that were left out because of their own faults, so that what refers to them is not
	// reported a second time.
	Broken map[Ref]bool
	// Watched are the faults of files that are watched (key sets, endpoints). They are no part of the content: where a good
	// state of such a file is known from before, it stays in use.
	Watched Faults
	// Present names those of Files that say what holds now rather than what was decided: key sets and endpoints that were handed in
	// with the documents of a source. A rollback leaves them as they are.
	Present map[string]bool
	// Written holds each object's document as it was written, for whoever compares and dumps documents.
	Written map[Ref]Written
}

// Written is the document of one object as it was written, whatever stage it is in. What it says only its loader knows.
type Written interface {
	// Ref returns the key of the object.
	Ref() Ref
	// Team returns whose the object is, empty where nobody's.
	Team() string
	// Origin returns where the document stands.
	Origin() Origin
}

// Revision is one configuration, whole and resolved. Nothing changes it after Assemble.
type Revision struct {
	ID        string // Content id: hash of the documents and of every file they include.
	Gateways  []*Gateway
	Upstreams []*Upstream
	APIs      []*API
	Issuers   []*Issuer
	Policies  []*Policy
	Bundles   []*Bundle
	Limits    []*SharedLimit

	Certificates []*Certificate

	Routes []*Route // Every route of every API, in order of gateway, name and base.

	parts    map[*API]*part // What each API became, for AssembleAfter.
	imported map[*Policy]*importing
}

// Route is one operation of an API at one exposure, with everything it refers to: the unit that becomes an Envoy route and
// whose Rules travel with each request.
type Route struct {
	Name      string // "api/version/operation", or "route/NAME".
	API       string // "-" for a Route document.
	Version   string
	Operation string
	Action    Action
	Object    Ref
	Gateway   *Gateway
	Hosts     []string
	Base      string
	Match     Match // Path includes the base.
	// VersionHeader is the header by which the version is told apart, which Match asks for; empty where there is none.
	VersionHeader string `json:",omitempty"`
	Targets       []Target
	Acts
	Mirrors []MirrorTarget
	Pages   []Page `json:",omitempty"` // Of the API over the Gateway; nil where the API has none.

	Public bool // authenticate: none.
	// ContractScopes are what the contract's security requirements ask for: all scopes of one of them. nil where there is no
	// contract, or it says nothing.
	ContractScopes [][]string
	Ways           []Way // Any one of them suffices; empty only if Public.
	Authorize      []AppliedPolicy
	Require        []Requirement // All of them must hold.
	Decisions      Recorded
	Limits         []Limit
	WhenAway       WhenAway
	Timeouts       Timeouts // The Gateway's, or the API's own.
	Headers        Headers  // Of the operation over the API over the Gateway.
	Allow          []string // Methods for the Allow header of an ActionMethod route.

	Rules  string // Content hash of all that authz and ratelimit decide by; 32 hex digits.
	Origin Place  `json:"-"`
}

// Fleet returns the fleet whose Envoys have the route.
func (r *Route) Fleet() string {
	if r.Gateway == nil {
		return ""
	}
	return r.Gateway.Fleet
}

// Action is what a route does with a request.
type Action string

// The actions of a route.
const (
	ActionForward Action = "forward" // To the Targets.
	ActionRefuse  Action = "refuse"  // 404: not listed.
	ActionMethod  Action = "method"  // 405: the path is listed, the method not.
	ActionDown    Action = "down"    // 503: the API is quarantined and has no good version.
)

// Target is an Upstream and its share of a route's requests.
type Target struct {
	Upstream *Upstream
	Weight   int
}

// AppliedPolicy is a Policy with the parameters by which a route applies it.
type AppliedPolicy struct {
	Policy     *Policy
	Parameters map[string]any
	Platform   bool // It is the Gateway's, and what it sets counts over what the API's policies set.
	Mode       Mode
	Percent    float64    // As in Authorization.
	Native     *Predicate // How Envoy decides it by itself; nil where it cannot.
	Reason     string     // Of every denial, where Native is set: see Reduction.
	Why        string     // Why it cannot.
}
