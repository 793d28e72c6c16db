package gateway

import (
	"encoding/json"
	"time"
)

// Decision is the record of what was decided about one request, by Gatehouse or by an Envoy.
type Decision struct {
	ID        string    `json:"id"`                   // Of this record.
	RequestID string    `json:"request_id,omitempty"` // x-request-id.
	Time      time.Time `json:"time"`
	Fleet     string    `json:"fleet,omitempty"`
	Node      string    `json:"node,omitempty"`
	By        DecidedBy `json:"by"`
	API       string    `json:"api"`
	Version   string    `json:"version,omitempty"`
	Operation string    `json:"operation"`
	Rules     string    `json:"rules"`
	Method    string    `json:"method,omitempty"`
	Path      string    `json:"path,omitempty"`   // Without the query.
	Policy    string    `json:"policy,omitempty"` // Of what decided; empty where identity did, or no policy applied.
	Mode      Mode      `json:"mode,omitempty"`
	Identity  *Identity `json:"identity,omitempty"`
	Result    string    `json:"result"`           // Of authz.Result.
	Status    int       `json:"status,omitempty"` // Of a refusal, HTTP.
	Code      string    `json:"code,omitempty"`   // Of the problem document.
	Reason    string    `json:"reason,omitempty"`
	// Detail is what the caller was told besides, or what Envoy says of its answer: its response code details.
	Detail   string        `json:"detail,omitempty"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Shadows are what policies in shadow mode would have done.
	Shadows []ShadowDecision `json:"shadows,omitempty"`
	// Input is the policies' input document, masked; nil where it is not recorded.
	Input json.RawMessage `json:"input,omitempty"`
	// Lacks names what the record cannot have because of who decided, or does not have because of its size: "input", "body".
	Lacks []string `json:"lacks,omitempty"`
	// Erased and Masked are the places in this record from which a secret was taken, or in which something else stands for it:
	// JSON pointers (RFC 6901).
	Erased []string `json:"erased,omitempty"`
	Masked []string `json:"masked,omitempty"`
}

// ShadowDecision is what a policy in shadow mode would have done.
type ShadowDecision struct {
	Policy string `json:"policy"`
	Result string `json:"result"`
	Reason string `json:"reason,omitempty"`
}

// Identity is who called, as far as it was proven.
type Identity struct {
	Kind        ProofKind `json:"kind"`
	Consumer    string    `json:"consumer,omitempty"` // Subject of a token, id of a credential, SPIFFE id of a certificate.
	Issuer      string    `json:"issuer,omitempty"`
	Application string    `json:"application,omitempty"`
	Plan        string    `json:"plan,omitempty"`
	Scopes      []string  `json:"scopes,omitempty"`
}

// DecidedBy is who decided.
type DecidedBy string

// Those who decide.
const (
	ByGatehouse DecidedBy = "gatehouse"
	ByEnvoy     DecidedBy = "envoy"
)

// Mode says what a policy's decision does.
type Mode string

// The modes of a policy.
const (
	Enforce Mode = ""       // It counts.
	Shadow  Mode = "shadow" // It is taken and recorded, and refuses nothing.
	Off     Mode = "off"    // It is not asked.
)

// Recorded says how much of a decision is recorded.
type Recorded string

// How much of decisions is recorded.
const (
	RecordedUsual Recorded = ""     // What there is without a call that would not be made otherwise.
	RecordedFull  Recorded = "full" // Every decision with its input: Envoy decides nothing by itself.
)

// Words of Decision.Lacks.
const (
	LacksInput = "input"
	LacksBody  = "body"
)

// Results of a Decision, as Gatehouse's authorization service spells them; and those that only others give.
const (
	ResultAllowed = "allowed"
	ResultLimited = "limited" // A limit was reached.
)

// Refused reports whether the decision kept the request from its upstream.
func (d *Decision) Refused() bool { return d.Result != ResultAllowed }
