package join

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"
)

// First says how a node joins.
type First struct {
	Server string // HOST:port of the joining service.
	Token  string // Its text.
	Node   string // The node's name; empty: the one that the token is for.
	Now    func() time.Time
}

// Key is a node's private key in PEM. It prints as nothing.
type Key []byte

// Format hides the key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("hidden")) }

// Join makes a key and gets a certificate for it, from the server that the token names and no other. Nothing is written.
func Join(ctx context.Context, f First) (Key, Answer, error) {
	ticket, err := ParseTicket(f.Token)
	if err != nil {
		return nil, Answer{}, err
	}
	if f.Now == nil {
		f.Now = time.Now
	}
	if f.Node == "" {
		f.Node = ticket.Node
	}
	c, err := newClient(f.Server, f.Now, func(chain []*x509.Certificate) error { return verifyPinned(chain, ticket, f.Now()) }, nil)
	if err != nil {
		return nil, Answer{}, err
	}
	key, request, err := newKey()
	if err != nil {
		return nil, Answer{}, err
	}
	a, err := c.call(ctx, pathJoin, joinCall{Token: f.Token, Node: f.Node, Request: string(request)})
	if err != nil {
		return nil, Answer{}, err
	}
	return key, a, a.check(key, Identity{ticket.Domain, a.Fleet, f.Node})
}

// Renew replaces the certificate that is in place by a new one for a new key, and returns when the one after that is due.
func (p Place) Renew(ctx context.Context, k Kept, now func() time.Time) (next time.Time, err error) {
	h, err := p.read()
	if err != nil {
		return time.Time{}, err
	}
	c, err := newClient(k.Server, now, func(chain []*x509.Certificate) error {
		return verifyServer(chain, h.bundle, k.Domain, now())
	}, &h.pair)
	if err != nil {
		return time.Time{}, err
	}
	key, request, err := newKey()
	if err != nil {
		return time.Time{}, err
	}
	a, err := c.call(ctx, pathRenew, renewCall{Request: string(request)})
	if err != nil {
		return time.Time{}, err
	}
	if err := a.check(key, Identity{k.Domain, k.Fleet, k.Node}); err != nil {
		return time.Time{}, err
	}
	if err := p.Write(key, a); err != nil {
		return time.Time{}, err
	}
	fresh, err := p.read()
	if err != nil {
		return time.Time{}, fmt.Errorf("read what was written: %w", err)
	}
	return fresh.renewAt(), nil
}

// Expires returns when the certificate that is in place does.
func (p Place) Expires() (time.Time, error) {
	h, err := p.read()
	if err != nil {
		return time.Time{}, err
	}
	return h.leaf.NotAfter, nil
}

// Due returns when the certificate that is in place is to be renewed.
func (p Place) Due() (time.Time, error) {
	h, err := p.read()
	if err != nil {
		return time.Time{}, err
	}
	return h.renewAt(), nil
}
