package gateway

import (
	"encoding/json"
	"strings"
)

// Problem is a problem document (RFC 9457) for a request that Envoy or Gatehouse itself refuses or fails at.
type Problem struct {
	Type   string `json:"type"` // "urn:gatehouse:problem:" and Code.
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`             // Stable; see docs/errors.md.
	Reason string `json:"reason,omitempty"` // A policy's own reason code.
	// RequestID is the x-request-id, by which "gatehouse why" tells more.
	RequestID string `json:"request_id,omitempty"`
}

// ProblemType is the media type of a problem document.
const ProblemType = "application/problem+json"

// Codes of problem documents.
const (
	ProblemNotFound       = "not-found"
	ProblemMethod         = "method-not-allowed"
	ProblemMisdirected    = "misdirected-request"
	ProblemQuarantined    = "api-quarantined"
	ProblemUnauthorized   = "unauthorized"
	ProblemForbidden      = "forbidden"
	ProblemLockedOut      = "locked-out"
	ProblemIdentityAway   = "identity-away"
	ProblemDenied         = "policy-denied"
	ProblemPolicyFailed   = "policy-failed"
	ProblemAuthzAway      = "authorization-away"
	ProblemRulesUnknown   = "rules-unknown"
	ProblemLimited        = "rate-limited"
	ProblemLimitsAway     = "limits-away"
	ProblemNoUpstream     = "no-healthy-upstream"
	ProblemUpstreamFailed = "upstream-failed"
	ProblemUpstreamSlow   = "upstream-timeout"
	ProblemOverload       = "overloaded"
	ProblemBadRequest     = "bad-request"
	ProblemInternal       = "internal"
	ProblemBodyTooLarge   = "body-too-large"
	ProblemInjected       = "fault-injected"
)

// NewProblem returns the problem document for a code; the title is the code in words.
func NewProblem(status int, code, detail string) Problem {
	return Problem{
		Type: "urn:gatehouse:problem:" + code, Title: strings.ReplaceAll(code, "-", " "),
		Status: status, Detail: detail, Code: code,
	}
}

// JSON returns the document's bytes, one line ended by a line feed.
func (p Problem) JSON() []byte {
	body, err := json.Marshal(p)
	if err != nil { // Strings and an int always marshal.
		return []byte("{}\n")
	}
	return append(body, '\n')
}
