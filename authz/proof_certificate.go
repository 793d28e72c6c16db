package authz

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/maypok86/otter/v2"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/gateway"
)

// certificateProof is the proof by the client's certificate, which the listener verified: Envoy tells of no other.
type certificateProof struct{ test gateway.CertificateTest }

func (p *certificateProof) prove(_ context.Context, r *request, w *witnesses) (*identity, *failure) {
	c := w.certificates.of(r)
	switch {
	case c == nil:
		return nil, &failure{verdict: nothingShown, reason: "certificate-missing", detail: "A client certificate is needed.", silent: true}
	case !c.passes(&p.test):
		return nil, &failure{verdict: nothingGood, reason: "certificate-refused", detail: "The client certificate is not one that this operation accepts.", silent: true}
	}
	return &identity{kind: gateway.ByCertificate, consumer: c.consumer()}, nil
}

// clientCertificate is what a certificate says of its owner.
type clientCertificate struct {
	uris, dns  []string
	subject    string // RFC 2253, as Envoy writes it.
	thumbprint string // x5t#S256 (RFC 8705, section 3.1).
}

// consumer returns the name by which the owner is known: its first URI name, as which a SPIFFE id stands alone, else its first DNS
// name, else its subject. It is the name that Envoy has for it (AttributeContext.Peer.principal).
func (c *clientCertificate) consumer() string {
	for _, names := range [][]string{c.uris, c.dns} {
		if len(names) > 0 {
			return names[0]
		}
	}
	return c.subject
}

// passes reports whether each list that is not empty holds a name of the certificate.
func (c *clientCertificate) passes(t *gateway.CertificateTest) bool {
	one := func(want, have []string, is func(form, name string) bool) bool {
		return len(want) == 0 || slices.ContainsFunc(want, func(form string) bool {
			return slices.ContainsFunc(have, func(name string) bool { return is(form, name) })
		})
	}
	return one(t.SPIFFE, c.uris, isSPIFFE) && one(t.DNS, c.dns, isDNS) &&
		(len(t.Subject) == 0 || slices.Contains(t.Subject, c.subject))
}

// isSPIFFE compares a SPIFFE id; a star at the end stands for the rest.
func isSPIFFE(form, name string) bool {
	if start, rest := strings.CutSuffix(form, "*"); rest {
		return strings.HasPrefix(name, start)
	}
	return form == name
}

// isDNS compares a DNS name, in which case does not matter (RFC 4343); a star at the beginning stands for one label.
func isDNS(form, name string) bool {
	rest, wild := strings.CutPrefix(form, "*.")
	if !wild {
		return strings.EqualFold(form, name)
	}
	label, below, found := strings.Cut(name, ".")
	return found && label != "" && !strings.Contains(label, "*") && strings.EqualFold(rest, below)
}

// heldCertificates bounds how many certificates are held read: reading one costs more than all the rest of a Check.
const heldCertificates = 4096

// maxCertificate bounds a certificate, in bytes of its text.
const maxCertificate = 64 << 10

// certificates reads the certificates of clients.
type certificates struct {
	read *otter.Cache[[sha256.Size]byte, *clientCertificate]
}

func newCertificates() *certificates {
	return &certificates{otter.Must(&otter.Options[[sha256.Size]byte, *clientCertificate]{MaximumSize: heldCertificates})}
}

// of returns the certificate of a request's client; nil where there is none that can be read.
func (c *certificates) of(r *request) *clientCertificate {
	text := r.attributes.GetSource().GetCertificate()
	if text == "" || len(text) > maxCertificate {
		return nil
	}
	key := sha256.Sum256([]byte(text))
	if known, ok := c.read.GetIfPresent(key); ok {
		return known
	}
	read, err := readCertificate(text)
	if err != nil {
		return nil
	}
	c.read.Set(key, read)
	return read
}

// readCertificate reads a certificate as Envoy sends it: PEM, escaped as in a URL (ext_authz include_peer_certificate).
func readCertificate(text string) (*clientCertificate, error) {
	spelt, err := url.PathUnescape(text) // A plus is a plus.
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(spelt))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(parsed.Raw)
	out := &clientCertificate{dns: parsed.DNSNames, thumbprint: base64.RawURLEncoding.EncodeToString(sum[:])}
	for _, uri := range parsed.URIs {
		out.uris = append(out.uris, uri.String())
	}
	out.subject, err = subjectText(parsed.RawSubject)
	return out, err
}

// binds reports whether a token is bound to the certificate of the request's connection (RFC 8705, section 3.1).
func (c *certificates) binds(claims *structpb.Struct, r *request) bool {
	named := claims.GetFields()["cnf"].GetStructValue().GetFields()["x5t#S256"].GetStringValue()
	certificate := c.of(r)
	return named != "" && certificate != nil && named == certificate.thumbprint
}
