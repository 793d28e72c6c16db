package gateway

import "time"

// Introspection says how an Issuer is asked about tokens that say nothing by themselves (RFC 7662).
type Introspection struct {
	URL    string // https; http only to this machine itself.
	Client string // As whom Gatehouse asks: its client_id at the Issuer.
	Secret string // Where the client's secret is: "env:NAME", or "file:PATH" below the configuration's directory. Never the secret.
	CA     []byte `json:",omitempty"` // Certificates (PEM) by which the Issuer's own is verified; nil: those of the daemon's host.

	Cache   time.Duration // For how long an answer is believed that a token is good, and never beyond the token's own end.
	Refused time.Duration // For how long an answer is believed that it is not.
	Timeout time.Duration // For one call.
}
