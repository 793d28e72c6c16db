package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"
)

// minRSA is the least size of an RSA key, in bits (CA/Browser Forum, Baseline Requirements 6.1.5).
const minRSA = 2048

// KeyPair is a certificate chain and its private key, both PEM, and what the leaf says. The key never reaches a log, an error
// or a page.
type KeyPair struct {
	Chain []byte
	Key   []byte    `json:"-"`
	Hosts []string  // The names of the leaf: DNS names in lower case, wildcards, IP addresses.
	From  time.Time // Before it the leaf is not valid.
	Until time.Time // After it the leaf is not valid.

	ChainFile, KeyFile string // Where both were read, as absolute paths on the daemon's host.
}

// Same reports whether two pairs hold the same bytes.
func (p KeyPair) Same(other KeyPair) bool {
	return bytes.Equal(p.Chain, other.Chain) && bytes.Equal(p.Key, other.Key)
}

// PairError is why a chain and a key are of no use to an Envoy. Its text quotes neither.
type PairError struct {
	Code  Code
	Field string // "chain" or "key".
	Text  string // What is wrong, and what to do.
}

// Error returns the text.
func (e *PairError) Error() string { return e.Text }

// ReadKeyPair reads a chain and its private key. The error is a *PairError.
func ReadKeyPair(chain, key []byte) (KeyPair, error) {
	certificates, err := readChain(chain)
	if err != nil {
		return KeyPair{}, err
	}
	leaf := certificates[0]
	if err := checkKeyKind(leaf); err != nil {
		return KeyPair{}, err
	}
	if err := checkKeyFile(chain, key); err != nil {
		return KeyPair{}, err
	}
	p := KeyPair{Chain: chain, Key: key, From: leaf.NotBefore, Until: leaf.NotAfter}
	for _, name := range leaf.DNSNames {
		p.Hosts = append(p.Hosts, strings.ToLower(name))
	}
	for _, ip := range leaf.IPAddresses {
		p.Hosts = append(p.Hosts, ip.String())
	}
	slices.SortFunc(p.Hosts, CompareHosts)
	if p.Hosts = slices.Compact(p.Hosts); len(p.Hosts) == 0 {
		return KeyPair{}, &PairError{CodeCertificateFile, "chain", "the certificate names no host: ask for one with subject alternative names, as clients look at nothing else"}
	}
	return p, nil
}

// readChain reads the certificates of a chain and checks their order.
func readChain(text []byte) ([]*x509.Certificate, error) {
	fault := func(format string, args ...any) error {
		return &PairError{CodeCertificateFile, "chain", fmt.Sprintf(format, args...)}
	}
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fault("the chain's file holds a %s beside certificates, and all of it is shown to clients: leave certificates alone in it", kindOfBlock(block.Type))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fault("certificate %d of the chain cannot be read: take it over from its issuer as it is", len(out)+1)
		}
		if n := len(out); n > 0 && !bytes.Equal(out[n-1].RawIssuer, c.RawSubject) {
			return nil, fault("certificate %d of the chain did not issue certificate %d: write the leaf first, then each issuer behind what it issued", n+1, n)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fault("the chain's file holds no certificate in PEM form: write one that begins with -----BEGIN CERTIFICATE-----")
	}
	return out, nil
}

// kindOfBlock names a PEM block; a file may call it anything, so only what is known is repeated.
func kindOfBlock(label string) string {
	if strings.HasSuffix(label, "PRIVATE KEY") {
		return "private key"
	}
	return "block that is no certificate"
}

// checkKeyKind reports a leaf whose key is weak, or of a kind that Envoy does not take.
func checkKeyKind(leaf *x509.Certificate) error {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA {
			return &PairError{CodeWeakKey, "chain", fmt.Sprintf("the certificate's RSA key has %d bits, which can be broken: make one with %d or more, or an ECDSA key on P-256", bits, minRSA)}
		}
		return nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
	}
	return &PairError{CodeWeakKey, "chain", "the certificate's key is of a kind that Envoy does not take: make an ECDSA key on P-256, or an RSA key"}
}

// checkKeyFile reports a private key that cannot be read, or belongs to another certificate.
func checkKeyFile(chain, key []byte) error {
	block, _ := pem.Decode(key)
	for rest := key; block != nil && !strings.HasSuffix(block.Type, "PRIVATE KEY"); { // Curve parameters may stand before it.
		block, rest = pem.Decode(rest)
	}
	switch {
	case block == nil:
		return &PairError{CodeCertificateFile, "key", "the key's file holds no private key in PEM form: write one that begins with -----BEGIN PRIVATE KEY-----"}
	case strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return &PairError{CodeCertificateFile, "key", "the private key is encrypted, and nobody is there to enter a password: write it without one, readable for the daemon alone"}
	}
	_, err := tls.X509KeyPair(chain, key) // Its words may quote the key.
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "does not match"):
		return &PairError{CodeKeyMismatch, "key", "the private key does not belong to the certificate: name the two files of one pair"}
	}
	return &PairError{CodeCertificateFile, "key", "the private key cannot be read: write it as PKCS #8, PKCS #1 or SEC 1, in PEM form"}
}

// CheckTime returns why the pair is not valid now, or nil. The error is a *PairError.
func (p KeyPair) CheckTime(now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(p.Until):
		return &PairError{CodeExpired, "chain", fmt.Sprintf("the certificate expired at %s: renew it", p.Until.UTC().Format(day))}
	case now.Before(p.From):
		return &PairError{CodeExpired, "chain", fmt.Sprintf("the certificate is not valid before %s: wait, or correct the clock of one of the hosts", p.From.UTC().Format(day))}
	}
	return nil
}
