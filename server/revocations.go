package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/join"
	"github.com/gatehouse/gatehouse/store"
)

// keptCertificates keeps in the store which certificates nodes were given.
type keptCertificates struct{ *Server }

// AddCertificate keeps one, unless what it renews is revoked. Where others of its node are revoked, this replica knows from then
// on that this one is not.
func (k keptCertificates) AddCertificate(ctx context.Context, c join.Certificate) error {
	kept := store.Certificate{Serial: c.Serial, Fleet: c.Fleet, Node: c.Node, Issued: c.Issued, Expires: c.Expires, Token: c.Token}
	var renews *store.Shown
	if c.Renews != nil {
		kept.Renews = c.Renews.Serial
		renews = &store.Shown{Fleet: c.Renews.Fleet, Node: c.Renews.Node, Serial: c.Renews.Serial, From: c.Renews.From}
	}
	err := k.store.Certificates.Add(ctx, kept, renews)
	switch {
	case errors.Is(err, store.ErrRevoked):
		return fmt.Errorf("%w: %w", join.ErrRevoked, err)
	case err != nil:
		return err
	}
	if k.remote.revoked(join.Shown{Identity: c.Identity, Serial: c.Serial, From: c.Issued.Add(-revocationLook)}) {
		return k.refuseRevoked(ctx)
	}
	return nil
}

// revocationLook is how often revocations are read where nobody told of one: a word may be lost. It is also more than any clock
// is off when the question is whether something was issued after a revocation.
const revocationLook = time.Minute

// revoked reports whether a certificate is refused by what this replica knows.
func (r *remote) revoked(s join.Shown) bool {
	refuses := r.refuses.Load()
	return refuses != nil && (*refuses)(s)
}

// refuseRevoked reads what is revoked, and refuses it from then on.
func (s *Server) refuseRevoked(ctx context.Context) error {
	s.remote.reading.Lock()
	defer s.remote.reading.Unlock()
	all, err := s.store.Certificates.Revocations(ctx)
	if err != nil {
		return fmt.Errorf("read what is revoked: %w", err)
	}
	byNode := map[nodeKey][]store.Revocation{}
	for _, r := range all {
		key := nodeKey{r.Fleet, r.Node}
		byNode[key] = append(byNode[key], r)
	}
	refuses := func(c join.Shown) bool {
		return slices.ContainsFunc(byNode[nodeKey{c.Fleet, c.Node}], func(r store.Revocation) bool {
			return r.Refuses(store.Shown{Fleet: c.Fleet, Node: c.Node, Serial: c.Serial, From: c.From})
		})
	}
	s.remote.refuses.Store(&refuses)
	if ended := s.remote.authority.Refuse(refuses); ended > 0 {
		s.log.Info("connections of revoked certificates ended", "connections", ended)
	}
	return nil
}

// followRevocations refuses what is revoked at any replica, until ctx ends. What cannot be read is tried again; what was known
// stays refused.
func (s *Server) followRevocations(ctx context.Context) {
	notices := s.store.Watch(ctx)
	again := time.NewTicker(jittered(revocationLook))
	defer again.Stop()
	failed := false
	for {
		select {
		case n, open := <-notices:
			if !open {
				return
			}
			if n.Concern != "" && n.Concern != store.ConcernCertificates {
				continue
			}
		case <-again.C:
		case <-ctx.Done():
			return
		}
		err := s.refuseRevoked(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			s.log.Error("revocations cannot be followed: what is known is refused on", "error", err)
		}
		if failed = err != nil; failed {
			again.Reset(firstAgain)
		} else {
			again.Reset(jittered(revocationLook))
		}
	}
}

// Certificates returns the certificates of a node, or of all where both names are empty, those issued last first.
func (m management) Certificates(ctx context.Context, fleet, node string) ([]admin.Certificate, error) {
	kept, err := m.store.Certificates.List(ctx, fleet, node)
	out := make([]admin.Certificate, len(kept))
	for i, c := range kept {
		out[i] = admin.Certificate(c)
	}
	return out, storeAway(err)
}

// RevokeNode makes certificates of a node worthless, here at once and at other replicas as soon as they hear of it.
func (m management) RevokeNode(ctx context.Context, r admin.Revocation) (admin.Revocation, error) {
	if m.remote == nil {
		return admin.Revocation{}, admin.ErrNoJoining
	}
	made, err := m.store.Certificates.Revoke(ctx, store.Revocation{
		Fleet: r.Fleet, Node: r.Node, Serial: r.Serial, Before: r.Before, Author: r.Author, Reason: r.Reason,
	})
	if err != nil {
		return admin.Revocation{}, storeAway(err)
	}
	m.log.InfoContext(ctx, "certificates revoked", "fleet", made.Fleet, "node", made.Node, "serial", made.Serial, "before", made.Before, "author", made.Author)
	r.Before, r.Made = made.Before, made.Made
	return r, storeAway(m.refuseRevoked(ctx))
}
