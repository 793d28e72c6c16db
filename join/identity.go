package join

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/gatehouse/gatehouse/envoy"
)

// Identity is who a node is: spiffe://DOMAIN/fleet/FLEET/node/NODE.
type Identity struct{ Domain, Fleet, Node string }

// Check reports what is wrong with the parts of an identity.
func (i Identity) Check() error {
	return errors.Join(CheckDomain(i.Domain), envoy.CheckName("fleet", i.Fleet), envoy.CheckName("node", i.Node))
}

// CheckDomain reports whether a trust domain can be one (SPIFFE-ID, section 2.1).
func CheckDomain(domain string) error {
	td, err := spiffeid.TrustDomainFromString(domain)
	if err != nil || td.Name() != domain {
		return fmt.Errorf("the trust domain %q must be lower-case letters, digits, dots, dashes or underscores", domain)
	}
	return nil
}

// URI returns the SPIFFE id.
func (i Identity) URI() string {
	return "spiffe://" + i.Domain + "/fleet/" + i.Fleet + "/node/" + i.Node
}

// ServerURI returns the SPIFFE id of Gatehouse itself in a trust domain.
func ServerURI(domain string) string { return envoy.ServerID(domain) }

// identityOf reads the node that a certificate names. A certificate of SPIFFE has one URI (X509-SVID, section 2).
func identityOf(c *x509.Certificate, domain string) (Identity, error) {
	id, err := spiffeOf(c)
	if err != nil {
		return Identity{}, err
	}
	i := Identity{Domain: id.TrustDomain().Name()}
	parts := strings.Split(strings.TrimPrefix(id.Path(), "/"), "/")
	if len(parts) != 4 || parts[0] != "fleet" || parts[2] != "node" {
		return Identity{}, fmt.Errorf("the certificate names %s, which is no node", id)
	}
	i.Fleet, i.Node = parts[1], parts[3]
	if i.Domain != domain {
		return Identity{}, fmt.Errorf("the certificate is of the trust domain %s, not of %s", i.Domain, domain)
	}
	return i, i.Check()
}

// spiffeOf returns the one SPIFFE id of a certificate.
func spiffeOf(c *x509.Certificate) (spiffeid.ID, error) {
	if len(c.URIs) != 1 {
		return spiffeid.ID{}, fmt.Errorf("the certificate names %d URIs, and must name one, its SPIFFE id", len(c.URIs))
	}
	id, err := spiffeid.FromURI(c.URIs[0])
	if err != nil {
		return spiffeid.ID{}, fmt.Errorf("read the certificate's SPIFFE id: %w", err)
	}
	return id, nil
}
