package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/gateway"
)

// hstsFields tell browsers to come by HTTPS only (RFC 6797).
type hstsFields struct {
	Days       int  `yaml:"days" jsonschema:"required,minimum=1,maximum=3650" doc:"How long a browser remembers it after each answer."`
	Subdomains bool `yaml:"subdomains" jsonschema:"default=false" doc:"Whether it holds for all names below the host too."`
	Preload    bool `yaml:"preload" jsonschema:"default=false" doc:"Whether browsers may ship with it. It cannot be taken back for months."`
}

func (hstsFields) short() string { return "days" }

// preloadDays is how long what browsers ship with has to be promised for at least (hstspreload.org).
const preloadDays = 365

func (f *hstsFields) hsts(o *object, at string) *gateway.HSTS {
	if f == nil {
		return nil
	}
	if f.Preload && (!f.Subdomains || f.Days < preloadDays) {
		o.fault(gateway.CodeConflict, join(at, "preload"), "browsers ship with hosts that say so for %d days and with all subdomains: write subdomains: true and days: %d or more, or remove preload", preloadDays, preloadDays)
	}
	return &gateway.HSTS{Days: f.Days, Subdomains: f.Subdomains, Preload: f.Preload}
}

// checkCiphers finds ciphers where none can be chosen: TLS 1.3 has its own (RFC 8446 9.1).
func (f *tlsFields) checkCiphers(o *object, at string) {
	if len(f.Ciphers) > 0 && f.Min == string(gateway.TLS13) {
		o.fault(gateway.CodeConflict, join(at, "ciphers"), "TLS 1.3 has ciphers of its own, among which nobody chooses: remove ciphers, or min")
	}
}

// readRevoked returns the lists of revoked certificates of a file, as PEM without anything else. There must be one of every
// authority: Envoy refuses every client whose issuer has none. The error says what to do.
func readRevoked(text, authorities []byte) ([]byte, error) {
	issuers := certificates(authorities)
	listed := make([]bool, len(issuers))
	var out bytes.Buffer
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil || block.Type != "X509 CRL" {
			return nil, errors.New("the file holds something that is no list of revoked certificates in PEM form: leave blocks that begin with -----BEGIN X509 CRL----- alone in it")
		}
		known := false
		for i, c := range issuers {
			if bytes.Equal(list.RawIssuer, c.RawSubject) && list.CheckSignatureFrom(c) == nil {
				known, listed[i] = true, true
			}
		}
		if !known {
			return nil, fmt.Errorf("the list of %s is signed by no authority in ca: remove it, or add the authority", list.Issuer)
		}
		if err := pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return nil, fmt.Errorf("write a list: %w", err)
		}
	}
	for i, c := range issuers {
		if !listed[i] {
			return nil, fmt.Errorf("the authority %s of ca has no list, so that all of its clients would be refused: add its list", c.Subject)
		}
	}
	return out.Bytes(), nil
}

// certificates returns those of a text that readAuthorities wrote.
func certificates(text []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, c)
		}
	}
}
