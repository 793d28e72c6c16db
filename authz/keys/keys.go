// Package keys knows API keys: who shows one, what it may do and until when. It knows no secret, only the HMAC-SHA-256 of each.
//
// In: applications and credentials as rows, one at a time, as the store tells of them; and the text of a key that a request shows.
// Out: the Key, or why it is none; and about when each was used last.
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

// ErrFull tells that a Table has as many credentials as it takes.
var ErrFull = errors.New("as many keys as are held in memory")

// Key is what is known of an API key. Its lists are shared by many keys: nobody changes them.
type Key struct {
	ID            string // Of the credential; where the Key comes of Find it shares the memory of the text.
	Application   string
	Scopes        []string
	Addresses     []netip.Prefix // From which alone it counts; empty: from everywhere.
	Expires       time.Time      // Zero for never.
	Subscriptions []Subscription // Of the application.
	General       string         // The plan of the application, where no subscription says another; "" for none.
}

// Subscription is what lets an application call an API by a plan.
type Subscription struct {
	ID   string
	API  string // A name, for all of its versions, or name/version.
	Plan string
}

// Plan returns by which plan an API is called with the key: that of the application's subscription to this version, or else to the
// API, or else the application's own; "" where there is none of them.
func (k Key) Plan(api, version string) string {
	plan, found := k.General, false
	for _, s := range k.Subscriptions {
		if name, of, only := cut(s.API); name == api && (!only && !found || only && of == version) {
			plan, found = s.Plan, true
			if only {
				return plan
			}
		}
	}
	return plan
}

func cut(api string) (name, version string, only bool) {
	for i := range len(api) {
		if api[i] == '/' {
			return api[:i], api[i+1:], true
		}
	}
	return api, "", false
}

// Counts reports whether the key counts for a client with an address.
func (k Key) Counts(client netip.Addr) bool {
	if len(k.Addresses) == 0 {
		return true
	}
	client = client.Unmap().WithZone("")
	for _, p := range k.Addresses {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// Hash is the HMAC-SHA-256 of a key's secret as it is written.
type Hash [32]byte

// Row is a credential.
type Row struct {
	ID          string
	Hash        Hash
	Application string
	Scopes      []string
	Addresses   []netip.Prefix
	Expires     time.Time // Zero for never.
	Revoked     time.Time // Zero for one that is not.
}
