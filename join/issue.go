package join

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Issued is a certificate with what is above it.
type Issued struct {
	Chain   []byte // The leaf, then what stands between it and a root, as PEM.
	Serial  string // In hexadecimal.
	Expires time.Time
}

// Node issues a certificate for a node's public key. It authenticates a client and nothing else.
func (a *Authority) Node(public crypto.PublicKey, id Identity) (Issued, error) {
	id.Domain = a.options.Domain
	if err := id.Check(); err != nil {
		return Issued{}, err
	}
	uri, err := url.Parse(id.URI())
	if err != nil {
		return Issued{}, err
	}
	t := a.trust.Load()
	leaf, expires, err := a.sign(t, public, &x509.Certificate{
		URIs: []*url.URL{uri}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return Issued{}, err
	}
	parsed, err := x509.ParseCertificate(leaf)
	if err != nil {
		return Issued{}, fmt.Errorf("read what was signed: %w", err)
	}
	chain := toPEM(leaf)
	for _, c := range t.above {
		chain = append(chain, toPEM(c)...)
	}
	return Issued{chain, serialOf(parsed), expires}, nil
}

// sign signs a leaf, which ends at the latest when what signs it does.
func (a *Authority) sign(t *trust, public crypto.PublicKey, template *x509.Certificate) (leaf []byte, expires time.Time, err error) {
	now := a.options.Now()
	template.NotBefore, template.NotAfter = now.Add(-skew(a.options.Life)), now.Add(a.options.Life)
	if template.NotAfter.After(t.signing.NotAfter) {
		template.NotAfter = t.signing.NotAfter
	}
	template.KeyUsage, template.BasicConstraintsValid = x509.KeyUsageDigitalSignature, true
	leaf, err = x509.CreateCertificate(rand.Reader, template, t.signing.Certificate, public, t.signing.key)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("sign a certificate: %w", err)
	}
	return leaf, template.NotAfter, nil
}

// rsaBits is the shortest RSA key that is certified.
const rsaBits = 2048

// PublicKey reads a certificate request in PEM (PKCS #10) and returns its key, once the request proves that its sender has
// the private one. Nothing else in the request counts.
func PublicKey(request []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("the request is no CERTIFICATE REQUEST in PEM")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificate request: %w", err)
	}
	if err := parsed.CheckSignature(); err != nil {
		return nil, errors.New("the certificate request is not signed by its own key")
	}
	switch key := parsed.PublicKey.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if key.N.BitLen() < rsaBits {
			return nil, fmt.Errorf("an RSA key of %d bits is too short: %d at least", key.N.BitLen(), rsaBits)
		}
	default:
		return nil, fmt.Errorf("keys of the kind %s are not certified", parsed.PublicKeyAlgorithm)
	}
	return parsed.PublicKey, nil
}

// named adds the names by which a server is reached to a certificate's template.
func named(template *x509.Certificate, hosts []string) {
	for _, h := range hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
		} else if h != "" {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
}
