package gateway

// Predicate is a condition on a request that Envoy can decide by itself: a tree whose leaves are Tests. At most one field is
// set; the zero value holds of every request.
type Predicate struct {
	All  []Predicate `json:",omitempty"` // Every one holds.
	Any  []Predicate `json:",omitempty"` // At least one holds.
	Not  *Predicate  `json:",omitempty"`
	Test *Test       `json:",omitempty"`
	// Never is the condition that no request meets.
	Never bool `json:",omitempty"`
}

// Test compares one attribute of a request. It does not hold where the request lacks the attribute, whatever Op says.
type Test struct {
	Of     Attribute
	Name   string   `json:",omitempty"` // Of a header, in lower case.
	Path   []string `json:",omitempty"` // To a claim.
	Op     Op
	Values []any `json:",omitempty"` // string, float64 or bool, one of which suffices; for OpPresent none.
}

// Attribute is what a Test looks at.
type Attribute string

// The attributes.
const (
	OfMethod  Attribute = "method"
	OfPath    Attribute = "path"    // As Envoy normalised it, without the query.
	OfTarget  Attribute = "target"  // The path with the query, as it came through normalisation: the :path header.
	OfHost    Attribute = "host"    // The :authority header, with the port where there is one.
	OfHeader  Attribute = "header"  // Its values joined with a comma, where there are several.
	OfClaim   Attribute = "claim"   // Of the verified token.
	OfAddress Attribute = "address" // Of the peer, who opened the connection: for OpWithin alone.
	// OfPrincipal is whom the client's certificate names: its first URI name, or else its first DNS name, or else its subject.
	OfPrincipal Attribute = "principal"
)

// Op is how a Test compares.
type Op string

// The comparisons.
const (
	OpEquals   Op = "equals"
	OpPrefix   Op = "prefix"
	OpSuffix   Op = "suffix"
	OpContains Op = "contains"
	OpRegex    Op = "regex"    // RE2 over bytes, the whole text.
	OpWithin   Op = "within"   // An address in a CIDR block.
	OpIncludes Op = "includes" // A list holds one of the values.
	OpPresent  Op = "present"
)

// Reduce says of a policy with its parameters how Envoy can decide it by itself. It must answer alike for alike texts.
type Reduce func(p *Policy, parameters map[string]any) Reduction

// Reduction is how Envoy can decide a policy by itself, or why it cannot.
type Reduction struct {
	Native *Predicate // Holds of the requests that the policy allows; nil where Envoy cannot decide it.
	Reason string     // What the policy gives as the reason of every denial, or DenialUndefined; empty: none.
	Why    string     // Why Envoy cannot decide it: a clause about the policy, "it reads input.parsed_body".
}

// DenialUndefined is the reason of a denial by a policy of which no rule holds.
const DenialUndefined = "undefined"
