package join

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// OwnFiles are the files of an authority of one's own.
type OwnFiles struct {
	Chain  string // PEM: the certificate that signs, then what stands between it and the root.
	Key    string // PEM: its private key, PKCS #8, PKCS #1 or SEC 1, not encrypted.
	Bundle string // PEM: the roots to be trusted, the one above Chain among them.
}

// ownMax bounds each of the files, in bytes.
const ownMax = 1 << 20

// OpenOwn returns an authority that signs by one's own key. The files are read again at each Tend.
func OpenOwn(ctx context.Context, files OwnFiles, o Options) (*Authority, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Authority{options: o}
	a.load = func(context.Context) (*trust, error) { return files.trust() }
	if err := a.Tend(ctx); err != nil {
		return nil, err
	}
	_, err = a.Pin() // What signs must be below the bundle, or nobody will believe it.
	return a, err
}

// trust reads the files.
func (f OwnFiles) trust() (*trust, error) {
	chain, err := certificates(f.Chain)
	if err != nil {
		return nil, err
	}
	roots, err := certificates(f.Bundle)
	if err != nil {
		return nil, err
	}
	key, err := privateKey(f.Key)
	if err != nil {
		return nil, err
	}
	signing := chain[0]
	public, ok := signing.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(key.Public()):
		return nil, fmt.Errorf("the key in %s is not that of the first certificate in %s", f.Key, f.Chain)
	case !signing.IsCA || signing.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, fmt.Errorf("the first certificate in %s may not sign others: it must be of a certificate authority", f.Chain)
	}
	var above [][]byte
	for _, c := range chain {
		if c.CheckSignatureFrom(c) != nil { // A root is in the bundle.
			above = append(above, c.Raw)
		}
	}
	return newTrust(&certificate{Certificate: signing, key: key}, above, roots), nil
}

// certificates reads a file of certificates.
func certificates(path string) ([]*x509.Certificate, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	found, err := parseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}

// parseCertificates reads certificates in PEM, one at least.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read a certificate: %w", err)
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return nil, errors.New("there is no CERTIFICATE in PEM")
	}
	return found, nil
}

// privateKey reads a file with a private key. An error never holds it.
func privateKey(path string) (crypto.Signer, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, fmt.Errorf("%s: there is no private key in PEM that can be read", path)
		}
		if key := parseKey(block.Bytes); key != nil {
			return key, nil
		}
	}
}

// parseKey reads a private key in any of its usual forms; nil where it is none.
func parseKey(der []byte) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, _ := key.(crypto.Signer)
		return signer
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	return nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > ownMax {
		return nil, fmt.Errorf("%s has more than %d bytes", path, ownMax)
	}
	return os.ReadFile(path)
}
