package testcert

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

// Authority issues certificates of clients.
type Authority struct {
	PEM         []byte // Its own certificate.
	certificate *x509.Certificate
	key         crypto.Signer
}

// Client says what a client's certificate says.
type Client struct {
	Common string
	DNS    []string
	URIs   []*url.URL
}

// NewAuthority returns an authority of its own.
func NewAuthority() (Authority, error) {
	key, err := newKey(0)
	if err != nil {
		return Authority{}, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Authority{}, fmt.Errorf("sign the authority: %w", err)
	}
	made, err := x509.ParseCertificate(der) // With the key's identifier, which lists of revoked certificates name.
	if err != nil {
		return Authority{}, fmt.Errorf("read the authority: %w", err)
	}
	return Authority{PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), certificate: made, key: key}, nil
}

// Client returns a certificate of a client, or of a server, with its key.
func (a Authority) Client(c Client) (tls.Certificate, error) {
	key, err := newKey(0)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: c.Common}, DNSNames: c.DNS, URIs: c.URIs,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sign the certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
