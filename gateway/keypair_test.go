package gateway_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/testcert"
)

// pair makes a certificate for hosts.
func pair(t *testing.T, s testcert.Settings) (chain, key []byte) {
	t.Helper()
	chain, key, err := testcert.Make(s)
	if err != nil {
		t.Fatal(err)
	}
	return chain, key
}

// edwards makes a pair of a kind that Envoy does not take.
func edwards(t *testing.T) (chain, key []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"a.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

func TestReadKeyPair(t *testing.T) {
	t.Parallel()
	chain, key := pair(t, testcert.Settings{Hosts: []string{"*.Bank.test", "api.bank.test", "192.0.2.7"}})
	other, otherKey := pair(t, testcert.Settings{Hosts: []string{"a.test"}, Common: "other"})
	weak, weakKey := pair(t, testcert.Settings{Hosts: []string{"a.test"}, RSA: 1024})
	odd, oddKey := edwards(t)
	nameless, namelessKey := pair(t, testcert.Settings{})
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	garbled := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hunter2 hunter2")})
	for _, test := range []struct {
		name        string
		chain, key  []byte
		code        gateway.Code
		field, says string
	}{
		{"good", chain, key, "", "", ""},
		{"good, with the parameters of the curve", chain, slices.Concat([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"), key), "", "", ""},
		{"nothing", nil, key, gateway.CodeCertificateFile, "chain", "no certificate in PEM form"},
		{"garbage", []byte("hunter2"), key, gateway.CodeCertificateFile, "chain", "no certificate in PEM form"},
		{"exchanged", key, chain, gateway.CodeCertificateFile, "chain", "holds a private key"},
		{"the key in the chain", slices.Concat(chain, key), key, gateway.CodeCertificateFile, "chain", "holds a private key"},
		{"garbage in PEM", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("hunter2")}), key, gateway.CodeCertificateFile, "chain", "certificate 1 of the chain cannot be read"},
		{"not a chain", slices.Concat(chain, other), key, gateway.CodeCertificateFile, "chain", "did not issue"},
		{"no host", nameless, namelessKey, gateway.CodeCertificateFile, "chain", "names no host"},
		{"no key", chain, nil, gateway.CodeCertificateFile, "key", "no private key in PEM form"},
		{"a key with a password", chain, encrypted, gateway.CodeCertificateFile, "key", "encrypted"},
		{"a garbled key", chain, garbled, gateway.CodeCertificateFile, "key", "cannot be read"},
		{"another's key", chain, otherKey, gateway.CodeKeyMismatch, "key", "does not belong"},
		{"a weak key", weak, weakKey, gateway.CodeWeakKey, "chain", "1024 bits"},
		{"a key of another kind", odd, oddKey, gateway.CodeWeakKey, "chain", "does not take"},
	} {
		p, err := gateway.ReadKeyPair(test.chain, test.key)
		why, refused := errors.AsType[*gateway.PairError](err)
		switch {
		case test.code == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.code == "":
			if want := []string{"192.0.2.7", "api.bank.test", "*.bank.test"}; !slices.Equal(slices.Sorted(slices.Values(p.Hosts)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: hosts %v, want %v", test.name, p.Hosts, want)
			}
		case !refused || why.Code != test.code || why.Field != test.field || !strings.Contains(why.Text, test.says):
			t.Errorf("%s: %v, want %s of %s that says %q", test.name, err, test.code, test.field, test.says)
		case strings.Contains(err.Error(), "hunter2") || bytes.Contains([]byte(err.Error()), test.key[:min(20, len(test.key))]) && len(test.key) > 0:
			t.Errorf("%s: the error quotes the file: %v", test.name, err)
		}
	}
}

func TestCheckTime(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	p := gateway.KeyPair{From: from, Until: from.AddDate(0, 3, 0)}
	for _, test := range []struct {
		now  time.Time
		good bool
	}{
		{from.Add(-time.Second), false}, {from, true}, {p.Until, true}, {p.Until.Add(time.Second), false},
	} {
		if err := p.CheckTime(test.now); (err == nil) != test.good {
			t.Errorf("at %v: %v", test.now, err)
		}
	}
}
