package join

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
)

// TokenPrefix begins every token, so that scanners for secrets find it.
const TokenPrefix = "ghj_"

// Parts of a token, in bytes.
const (
	tokenID     = 10
	tokenSecret = 32
	tokenSum    = 4
	tokenMax    = 1024 // Of the whole text.
)

// Secret is what only the holder of a token knows. It prints as nothing.
type Secret [tokenSecret]byte

// Format hides the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("hidden")) }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("hidden"), nil }

// Ticket is what a token's text says: TokenPrefix, the id, "_", and in base64url the secret, the pin, the trust domain, a slash
// with the node where it is for one alone, and a checksum.
type Ticket struct {
	ID     string
	Secret Secret
	Pin    Pin    // Of the authority's root: the server must prove that its certificate comes from there.
	Domain string // The trust domain: the server must be spiffe://DOMAIN/gatehouse.
	Node   string // The only node it is for; empty: any of the fleet.
}

// newTicket makes a ticket with an id and a secret of its own.
func newTicket(pin Pin, domain, node string) (Ticket, error) {
	t := Ticket{Pin: pin, Domain: domain, Node: node}
	id := make([]byte, tokenID)
	if _, err := rand.Read(id); err != nil {
		return t, fmt.Errorf("choose a token's id: %w", err)
	}
	if _, err := rand.Read(t.Secret[:]); err != nil {
		return t, fmt.Errorf("choose a token's secret: %w", err)
	}
	t.ID = strings.ToLower(base32.StdEncoding.EncodeToString(id)) // 10 bytes fill 16 characters, without padding.
	return t, nil
}

// Text returns the token's text. It is a secret.
func (t Ticket) Text() string {
	body := append(append([]byte{}, t.Secret[:]...), t.Pin[:]...)
	body = append(body, t.Domain...)
	if t.Node != "" {
		body = append(body, "/"+t.Node...)
	}
	body = binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(append([]byte(t.ID), body...)))
	return TokenPrefix + t.ID + "_" + base64.RawURLEncoding.EncodeToString(body)
}

// ParseTicket reads a token's text. An error never holds any of it.
func ParseTicket(text string) (Ticket, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), TokenPrefix)
	id, encoded, found := strings.Cut(rest, "_")
	if !ok || !found || len(text) > tokenMax {
		return Ticket{}, fmt.Errorf("this is no token: one begins with %s, and \"gatehouse nodes token create\" makes it", TokenPrefix)
	}
	body, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(body) < tokenSecret+sha256.Size+1+tokenSum {
		return Ticket{}, errors.New("the token is not whole: copy all of it")
	}
	body, sum := body[:len(body)-tokenSum], body[len(body)-tokenSum:]
	if crc32.ChecksumIEEE(append([]byte(id), body...)) != binary.BigEndian.Uint32(sum) {
		return Ticket{}, errors.New("the token is not whole: copy all of it")
	}
	t := Ticket{ID: id}
	t.Domain, t.Node, _ = strings.Cut(string(body[tokenSecret+sha256.Size:]), "/")
	copy(t.Secret[:], body)
	copy(t.Pin[:], body[tokenSecret:])
	return t, CheckDomain(t.Domain)
}
