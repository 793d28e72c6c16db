package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/store"
)

const (
	keyLifeMax = 10 * 366 * 24 * time.Hour
	scopeMax   = 200 // Bytes of a scope.
)

// Keys returns some API keys.
func (m management) Keys(ctx context.Context, q admin.KeyQuery) ([]admin.APIKey, error) {
	found, err := m.store.Accounts.Credentials(ctx, store.AccountQuery{Team: q.Team, Application: q.Application, After: q.After, Most: q.Limit})
	if err != nil {
		return nil, storeAway(err)
	}
	all := make([]admin.APIKey, len(found))
	for i, c := range found {
		all[i] = m.apiKey(c)
	}
	return all, nil
}

// Key returns one API key.
func (m management) Key(ctx context.Context, id string) (admin.APIKey, error) {
	found, err := m.store.Accounts.Credential(ctx, id)
	if err != nil {
		return admin.APIKey{}, keyError(id, err)
	}
	return m.apiKey(found), nil
}

// CreateKey makes an API key of an application.
func (m management) CreateKey(ctx context.Context, application string, g admin.KeyGrant) (admin.CreatedKey, error) {
	expires, err := m.keyEnds(g.Expires)
	if err != nil {
		return admin.CreatedKey{}, err
	}
	for _, scope := range g.Scopes {
		if !isScope(scope) {
			return admin.CreatedKey{}, fmt.Errorf("%w: %q is no scope: it has no spaces, quotes or backslashes, and 1 to %d characters", admin.ErrRefused, scope, scopeMax)
		}
	}
	addresses, err := networks(g.Addresses)
	if err != nil {
		return admin.CreatedKey{}, err
	}
	if table := m.keys.table.Load(); table != nil && table.Len() >= keys.Most {
		return admin.CreatedKey{}, fmt.Errorf("%w: there are %d API keys already: no more are held in memory", admin.ErrRefused, keys.Most)
	}
	id, secret := keys.Fresh()
	made, err := m.store.Accounts.AddCredential(ctx, store.Credential{
		ID: id, Application: application, Prefix: keys.Prefix + id, Name: g.Name, Author: admin.CallerOf(ctx).Name,
		Scopes: g.Scopes, Addresses: addresses, Expires: expires,
	}, []byte(secret))
	if err != nil {
		return admin.CreatedKey{}, applicationError(application, err)
	}
	m.keysChanged(ctx)
	return admin.CreatedKey{APIKey: m.apiKey(made), Text: keys.Text(id, secret)}, nil
}

// RotateKey makes an API key in the place of another.
func (m management) RotateKey(ctx context.Context, id string, r admin.KeyRotation) (admin.CreatedKey, error) {
	expires, err := m.keyEnds(r.Expires)
	if err != nil {
		return admin.CreatedKey{}, err
	}
	overlap, err := lasting(r.Overlap, 0, keyLifeMax)
	if err != nil {
		return admin.CreatedKey{}, err
	}
	next, secret := keys.Fresh()
	made, err := m.store.Accounts.RotateCredential(ctx, id, store.Credential{
		ID: next, Prefix: keys.Prefix + next, Author: admin.CallerOf(ctx).Name, Expires: expires,
	}, []byte(secret), m.options.Now().Add(overlap))
	if err != nil {
		return admin.CreatedKey{}, keyError(id, err)
	}
	m.keysChanged(ctx)
	return admin.CreatedKey{APIKey: m.apiKey(made), Text: keys.Text(next, secret)}, nil
}

// RevokeKey makes an API key worthless: here before it returns, on other replicas within a second.
func (m management) RevokeKey(ctx context.Context, id string) error {
	if err := m.store.Accounts.RevokeCredential(ctx, id); err != nil {
		return keyError(id, err)
	}
	m.keysChanged(ctx)
	return nil
}

// keysChanged takes in here at once what was changed. Where that fails, the change is made all the same, and taken in when it is
// tried again.
func (m management) keysChanged(ctx context.Context) {
	if err := m.keys.catchUpWithin(context.WithoutCancel(ctx)); err != nil {
		m.log.Warn("a change of API keys is not known here yet", "error", err)
	}
}

// keyEnds returns when a key ends that is to live for a while; "": it does not end by itself.
func (m management) keyEnds(after string) (time.Time, error) {
	life, err := lasting(after, 0, keyLifeMax)
	switch {
	case err != nil || after == "":
		return time.Time{}, err
	case life <= 0:
		return time.Time{}, fmt.Errorf("%w: a key that lives for %s is of no use", admin.ErrRefused, after)
	}
	return m.options.Now().Add(life), nil
}

// isScope reports whether a text is a scope (RFC 6749, section 3.3).
func isScope(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return text != "" && len(text) <= scopeMax
}

// networks reads addresses and networks.
func networks(texts []string) ([]netip.Prefix, error) {
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if one, single := netip.ParseAddr(text); single == nil && one.Zone() == "" {
			p, err = one.Unmap().Prefix(one.Unmap().BitLen())
		}
		if err != nil || p.Addr().Is4In6() || p != p.Masked() {
			return nil, fmt.Errorf("%w: %q is no address and no network, such as 10.0.0.0/8", admin.ErrRefused, text)
		}
		all = append(all, p)
	}
	return all, nil
}

// keyError puts an error of the store about a key into the API's words.
func keyError(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: there is no API key %s: \"gatehouse key list\" shows those there are", admin.ErrNotFound, id)
	case errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrExpired):
		return fmt.Errorf("%w: API key %s has ended: make a new one", admin.ErrUnable, id)
	}
	return storeAway(err)
}

// apiKey returns what may be shown of a credential.
func (m management) apiKey(c store.Credential) admin.APIKey {
	out := admin.APIKey{
		ID: c.ID, Application: c.Application, Prefix: c.Prefix, Name: c.Name, Scopes: append([]string{}, c.Scopes...), Addresses: []string{},
		State: "open", Author: c.Author, Created: c.Created, Expires: c.Expires, Used: c.Used, Revoked: c.Revoked,
	}
	for _, p := range c.Addresses {
		out.Addresses = append(out.Addresses, p.String())
	}
	switch {
	case !c.Revoked.IsZero():
		out.State = "revoked"
	case !c.Expires.IsZero() && !m.options.Now().Before(c.Expires):
		out.State = "expired"
	}
	return out
}
