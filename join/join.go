// Package join decides who may join a fleet from another host, and proves it from then on.
//
// In: the roots and tokens that a store keeps, a token and a certificate request that a node sends, and time. Out: short-lived
// certificates that name a node by a SPIFFE id, the trust bundle by which they are judged, the TLS settings of the doors that
// ask for them, and, on the node's side, the files from which an Envoy reads its key and certificate. A node's key is made
// where it is used and never travels.
package join

import "errors"

// Errors that callers tell apart.
var (
	// ErrRefused is all that a stranger is told: whether a token is unknown, spent, expired or revoked is nobody's business.
	ErrRefused = errors.New("the token is not accepted: it may be mistyped, used up, expired or revoked; ask for a new one")
	// ErrUnknownToken tells an operator that there is no token of that id.
	ErrUnknownToken = errors.New("there is no such token")
	// ErrChanged tells that somebody else changed the roots since they were read.
	ErrChanged = errors.New("the roots were changed by somebody else")
	// ErrOwn tells that the authority is one's own, so that its roots are changed elsewhere.
	ErrOwn = errors.New("the authority is your own: put its next root into the trust bundle, and a certificate's life later the next chain and key into their files")
	// ErrPin tells that what answers does not hold the key that the token names.
	ErrPin = errors.New("the server's certificate is not from the authority that the token names: it is not the server that made the token, or somebody stands in between")
	// ErrExpired tells that a certificate expired longer ago than it may be renewed.
	ErrExpired = errors.New("the certificate expired too long ago to be renewed: join again, with a new token")
)
