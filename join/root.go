package join

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// State says what a root is for.
type State string

// The states of a root, in the order in which it goes through them.
const (
	Next    State = "next"    // Trusted already, so that everybody knows it before it signs.
	Active  State = "active"  // Signs.
	Retired State = "retired" // Trusted as long as something that it signed may be shown.
)

// Root is one key of the built-in authority. It holds a private key, so it must not be logged.
type Root struct {
	ID      string // The first 16 hex digits of the SHA-256 of its public key.
	State   State
	Changed time.Time // When it came into its state; set by who keeps it.
	// Certificate is PEM: self-signed, and, but for the first root, the same key certified by the root before it. Who knows only
	// that older root follows it to this one.
	Certificate []byte
	Key         []byte // Private, PKCS #8 in PEM.
}

// Move is a change of a root's state.
type Move struct {
	ID       string
	From, To State
}

// Roots keeps the roots of the built-in authority: at most one of them active, and at most one next.
type Roots interface {
	// Roots returns all, the oldest first.
	Roots(ctx context.Context) ([]Root, error)
	// AddRoot keeps another, or returns ErrChanged where there is one in its state already.
	AddRoot(ctx context.Context, r Root) error
	// MoveRoots changes states, all or none, in the order given, or returns ErrChanged where one is not in the state From.
	MoveRoots(ctx context.Context, moves ...Move) error
	// RemoveRoot forgets a retired root and its key, or returns ErrChanged where there is none.
	RemoveRoot(ctx context.Context, id string) error
}

// certificate is a parsed certificate with the key that signs by it.
type certificate struct {
	*x509.Certificate

	key   crypto.Signer
	cross [][]byte // DER: the same key, certified by others.
}

// newRoot makes a root for a trust domain. before, where it is not nil, certifies it too.
func newRoot(domain string, before *certificate, now time.Time, life time.Duration) (Root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Root{}, fmt.Errorf("make a root's key: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Root{}, fmt.Errorf("encode a root's key: %w", err)
	}
	id, err := keyID(key.Public())
	if err != nil {
		return Root{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Gatehouse authority " + id},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: domain}},
		NotBefore:             now.Add(-skew(life)),
		NotAfter:              now.Add(life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	own, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Root{}, fmt.Errorf("sign a root: %w", err)
	}
	r := Root{ID: id, Certificate: toPEM(own), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})}
	if before == nil {
		return r, nil
	}
	if template.NotAfter.After(before.NotAfter) {
		template.NotAfter = before.NotAfter
	}
	cross, err := x509.CreateCertificate(rand.Reader, template, before.Certificate, key.Public(), before.key)
	if err != nil {
		return Root{}, fmt.Errorf("certify the next root by the present one: %w", err)
	}
	r.Certificate = append(r.Certificate, toPEM(cross)...)
	return r, nil
}

// parse reads what is kept. An error never holds the key.
func (r Root) parse() (*certificate, error) {
	found, err := parseCertificates(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("the certificate of root %s: %w", r.ID, err)
	}
	block, _ := pem.Decode(r.Key)
	if block == nil {
		return nil, fmt.Errorf("the key of root %s is not PEM", r.ID)
	}
	key := parseKey(block.Bytes)
	if key == nil {
		return nil, fmt.Errorf("the key of root %s cannot be read", r.ID)
	}
	c := &certificate{Certificate: found[0], key: key}
	for _, other := range found[1:] {
		c.cross = append(c.cross, other.Raw)
	}
	return c, nil
}

// keyID returns the short name of a public key.
func keyID(public crypto.PublicKey) (string, error) {
	const digits = 16
	encoded, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", errors.New("a public key of an unknown kind")
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])[:digits], nil
}

// skew is how much earlier than now a certificate begins to be valid, as clocks differ.
func skew(life time.Duration) time.Duration {
	const most, share = 5 * time.Minute, 10
	return min(most, life/share)
}
