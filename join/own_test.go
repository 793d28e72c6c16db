package join_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/join"
)

// issuer is an authority of one's own.
type issuer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newIssuer(t *testing.T, name string, from time.Time, above *issuer, isCA bool) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from.Add(-time.Hour), NotAfter: from.Add(10000 * time.Hour),
		IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if above != nil {
		parent, signer = above.certificate, above.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{certificate, key}
}

func (i *issuer) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw})
}

func (i *issuer) keyPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// writeFiles writes the files of one's own authority.
func writeFiles(t *testing.T, chain, key, bundle []byte) join.OwnFiles {
	t.Helper()
	dir := t.TempDir()
	f := join.OwnFiles{Chain: filepath.Join(dir, "chain.pem"), Key: filepath.Join(dir, "key.pem"), Bundle: filepath.Join(dir, "bundle.pem")}
	for path, text := range map[string][]byte{f.Chain: chain, f.Key: key, f.Bundle: bundle} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestOwnAuthority joins and renews with an authority of one's own that has an intermediate, and follows its files to another
// root, which is trusted before it signs.
func TestOwnAuthority(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := h.clock.Now()
	root := newIssuer(t, "Bank root", now, nil, true)
	between := newIssuer(t, "Bank nodes", now, root, true)
	files := writeFiles(t, append(between.pem(), root.pem()...), between.keyPEM(t), root.pem())
	authority, err := join.OpenOwn(t.Context(), files, join.Options{Now: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.authority = authority
	h.serve(nil)
	n := h.joined("edge-1")
	if err := n.renew(); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "your own") {
		t.Errorf("rotated: %v", err)
	}
	next := newIssuer(t, "Bank root 2", now, nil, true)
	if err := os.WriteFile(files.Bundle, append(root.pem(), next.pem()...), 0o600); err != nil {
		t.Fatal(err)
	}
	h.tend()
	if err := n.renew(); err != nil { // It learns of the next root.
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{files.Chain: next.pem(), files.Key: next.keyPEM(t)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.tend()
	if err := n.renew(); err != nil {
		t.Errorf("after the next root signs: %v", err)
	}
	if roots, err := authority.Roots(t.Context()); err != nil || len(roots) != 2 {
		t.Errorf("roots %v, %v; want both", roots, err)
	}
}

func TestOwnAuthorityRefused(t *testing.T) {
	t.Parallel()
	clock := newClock()
	root, other := newIssuer(t, "Bank root", clock.Now(), nil, true), newIssuer(t, "Other root", clock.Now(), nil, true)
	leaf := newIssuer(t, "A server", clock.Now(), root, false)
	for name, test := range map[string]struct {
		files join.OwnFiles
		want  string
	}{
		"another's key":   {writeFiles(t, root.pem(), other.keyPEM(t), root.pem()), "is not that of the first certificate"},
		"no authority":    {writeFiles(t, leaf.pem(), leaf.keyPEM(t), root.pem()), "may not sign others"},
		"another root":    {writeFiles(t, root.pem(), root.keyPEM(t), other.pem()), "not below the trust bundle"},
		"no certificate":  {writeFiles(t, []byte("x"), root.keyPEM(t), root.pem()), "no CERTIFICATE in PEM"},
		"no key":          {writeFiles(t, root.pem(), []byte("secret"), root.pem()), "no private key in PEM"},
		"no bundle":       {writeFiles(t, root.pem(), root.keyPEM(t), nil), "no CERTIFICATE in PEM"},
		"files not there": {join.OwnFiles{Chain: "a", Key: "b", Bundle: "c"}, "no such file"},
	} {
		_, err := join.OpenOwn(t.Context(), test.files, join.Options{Now: clock.Now})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
