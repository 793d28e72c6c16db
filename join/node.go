package join

import (
	"context"
	"crypto/x509"
	"errors"
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

// Renew replaces the certificate that is in place by a new one for a new key, and returns when the one after that is due. Where
// one replica does not answer, the next one is asked.
func (p Place) Renew(ctx context.Context, k Kept, now func() time.Time) (next time.Time, err error) {
	key, request, err := newKey()
	if err != nil {
		return time.Time{}, err
	}
	var a Answer
	var failed []error
	for _, server := range k.servers() {
		c, err := p.known(server, k, now)
		if err != nil {
			return time.Time{}, errors.Join(append(failed, err)...)
		}
		if a, err = c.call(ctx, pathRenew, renewCall{Request: string(request)}); err == nil {
			failed = nil
			break
		}
		failed = append(failed, err)
		if ctx.Err() != nil || !errors.Is(err, ErrAway) {
			break // A refusal is all replicas' refusal.
		}
	}
	if len(failed) > 0 {
		return time.Time{}, errors.Join(failed...)
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

// known returns a client by which the node that is in place asks a server.
func (p Place) known(server string, k Kept, now func() time.Time) (*client, error) {
	h, err := p.read()
	if err != nil {
		return nil, err
	}
	return newClient(server, now, func(chain []*x509.Certificate) error {
		return verifyServer(chain, h.bundle, k.Domain, now())
	}, &h.pair)
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
