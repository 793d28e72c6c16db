package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/gateway"
)

// clientsFields say which certificates clients show to a listener.
type clientsFields struct {
	Mode string   `yaml:"mode" jsonschema:"enum=optional,enum=required,default=optional" doc:"Whether every client must show one, or routes ask for them by mtls. What is shown is verified in both."`
	CA   filePath `yaml:"ca" jsonschema:"required" doc:"A file of PEM certificates of those who may have issued them. It is part of the configuration: a change is rolled out, and closes no connection."`
	CRL  filePath `yaml:"crl" doc:"A file of PEM lists of revoked certificates (RFC 5280 5), one of each authority in ca. It is part of the configuration, as ca is. A list whose time is over refuses all of its authority's clients."`
}

// clients builds who may show which certificates. nil where nothing was written.
func (f *clientsFields) clients(o *object, at string) *gateway.ClientTLS {
	if f == nil {
		return nil
	}
	out := &gateway.ClientTLS{Required: f.Mode == "required"}
	if f.CA == "" { // A fault already.
		return out
	}
	text, _, ok := o.load.include(o, at+".ca", string(f.CA))
	if !ok {
		return out
	}
	authorities, err := readAuthorities(text)
	if err != nil {
		o.fault(gateway.CodeBadValue, at+".ca", "%s", err)
	}
	out.Authorities = authorities
	if f.CRL == "" || err != nil {
		return out
	}
	if text, _, ok = o.load.include(o, at+".crl", string(f.CRL)); !ok {
		return out
	}
	if out.Revoked, err = readRevoked(text, authorities); err != nil {
		o.fault(gateway.CodeBadValue, at+".crl", "%s", err)
	}
	return out
}

// readAuthorities returns the certificates of a file, as PEM without anything else. The error says what to do.
func readAuthorities(text []byte) ([]byte, error) {
	var out bytes.Buffer
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("the file holds something beside certificates: leave these alone in it")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return nil, errors.New("a certificate of the file cannot be read: take it over from its issuer as it is")
		case !c.IsCA:
			return nil, errors.New("a certificate of the file may not issue others: write those of authorities")
		}
		if err := pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return nil, fmt.Errorf("write a certificate: %w", err)
		}
	}
	if out.Len() == 0 {
		return nil, errors.New("the file holds no certificate in PEM form: write one that begins with -----BEGIN CERTIFICATE-----")
	}
	return out.Bytes(), nil
}
