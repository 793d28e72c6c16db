package join

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrRevoked tells that a certificate is accepted no more.
var ErrRevoked = errors.New("the certificate is revoked: join again, with a new token")

// Shown is a certificate that a node shows.
type Shown struct {
	Identity

	Serial string    // In hexadecimal.
	From   time.Time // When its validity begins, which is a little before it was issued.
}

// shownOf reads what a certificate of a node says.
func shownOf(leaf *x509.Certificate, id Identity) Shown {
	return Shown{Identity: id, Serial: serialOf(leaf), From: leaf.NotBefore}
}

func serialOf(leaf *x509.Certificate) string { return fmt.Sprintf("%x", leaf.SerialNumber) }

// Certificate is one that a node is given.
type Certificate struct {
	Identity

	Serial  string
	Issued  time.Time
	Expires time.Time
	Token   string // The id of the token by which the node joined; empty for a renewal.
	Renews  *Shown // The certificate that is renewed; nil for a joining.
}

// Certificates keeps which certificates nodes were given.
type Certificates interface {
	// AddCertificate keeps one before it is handed out. ErrRevoked tells that the one that it renews is accepted no more.
	AddCertificate(ctx context.Context, c Certificate) error
}

// revoked is what an authority knows of certificates that are accepted no more, and of the connections by which to end.
type revoked struct {
	mu      sync.Mutex
	refuses func(Shown) bool // nil: none is revoked.
	open    map[*connection]struct{}
}

// connection is one that a node's certificate has opened.
type connection struct {
	net.Conn

	shown Shown
	known *revoked
}

// Close closes the connection, which needs not be known any more.
func (c *connection) Close() error {
	c.known.mu.Lock()
	delete(c.known.open, c)
	c.known.mu.Unlock()
	return c.Conn.Close()
}

// refused reports whether a certificate is accepted no more.
func (r *revoked) refused(s Shown) bool {
	r.mu.Lock()
	refuses := r.refuses
	r.mu.Unlock()
	return refuses != nil && refuses(s)
}

// watch makes a connection one that ends when its certificate is revoked.
func (r *revoked) watch(c net.Conn, s Shown) (net.Conn, error) {
	watched := &connection{c, s, r}
	r.mu.Lock()
	if r.refuses != nil && r.refuses(s) { // Since the handshake.
		r.mu.Unlock()
		return nil, errors.Join(ErrRevoked, c.Close())
	}
	if r.open == nil {
		r.open = map[*connection]struct{}{}
	}
	r.open[watched] = struct{}{}
	r.mu.Unlock()
	return watched, nil
}

// Refuse says from now on which certificates are accepted no more, whatever their validity says: at no door, for no renewal.
// Connections that such certificates opened end at once, with all their streams. It returns how many did. The function is
// called often, by many at once, and must not change what it says.
func (a *Authority) Refuse(refuses func(Shown) bool) (ended int) {
	a.revoked.mu.Lock()
	a.revoked.refuses = refuses
	var over []*connection
	for c := range a.revoked.open {
		if refuses(c.shown) {
			over = append(over, c)
		}
	}
	a.revoked.mu.Unlock()
	for _, c := range over {
		_ = c.Close() // Who is at the other end finds out.
	}
	return len(over)
}
