// Package keys knows API keys: who shows one, what it may do and until when. It knows no secret, only the HMAC-SHA-256 of each.
//
// In: credentials as rows, one at a time, as the store tells of them; and the text of a key that a request shows. Out: the Key,
// or why it is none.
package keys

import (
	"errors"
	"net/netip"
	"time"
)

// Why a text is no key that counts. What a caller is told is the same for all; the record of the decision tells them apart.
var (
	ErrMalformed = errors.New("not of the form of a key")
	ErrUnknown   = errors.New("no such key")
	ErrRevoked   = errors.New("revoked")
	ErrExpired   = errors.New("expired")
)

// Key is what is known of an API key.
type Key struct {
	ID          string // Of the credential.
	Application string
	Plan        string
	Scopes      []string
	Addresses   []netip.Prefix // From which alone it counts; empty: from everywhere.
	Expires     time.Time      // Zero for never.
}
