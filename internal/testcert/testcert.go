// Package testcert makes certificates for tests and examples.
//
// In: names, a life, the kind of key. Out: a certificate that signed itself and its private key, both PEM. Nothing of it has a
// place in production: what it makes proves nothing to anybody who was not told to trust it.
package testcert

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// life is how long a certificate is good where Settings do not say.
const life = 90 * 24 * time.Hour

// Settings say what kind of certificate is made. The zero value is good for no host.
type Settings struct {
	Hosts  []string // DNS names, wildcards and IP addresses: the subject alternative names.
	From   time.Time
	Until  time.Time
	RSA    int    // Bits of an RSA key; 0: an ECDSA key on P-256.
	Common string // The subject's common name; "test" where it is empty.
}

// Make returns a certificate and its private key.
func Make(s Settings) (chain, key []byte, err error) {
	private, err := newKey(s.RSA)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	if s.From.IsZero() {
		s.From = time.Now().Add(-time.Hour)
	}
	if s.Until.IsZero() {
		s.Until = s.From.Add(life)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cmp.Or(s.Common, "test")},
		NotBefore: s.From, NotAfter: s.Until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	for _, h := range s.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the certificate: %w", err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), nil
}

func newKey(bits int) (crypto.Signer, error) {
	if bits > 0 {
		return rsa.GenerateKey(rand.Reader, bits)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}
