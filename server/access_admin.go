package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/store"
)

const (
	accessLife    = 90 * 24 * time.Hour // Of an access token, unless said otherwise.
	accessLifeMax = 366 * 24 * time.Hour
	overlapMax    = 7 * 24 * time.Hour
	accessMax     = 10_000 // Tokens in the store.
)

// CreateAccess makes an access token.
func (m management) CreateAccess(ctx context.Context, g admin.AccessGrant) (admin.CreatedAccess, error) {
	expires, err := m.ends(g.Expires)
	if err != nil {
		return admin.CreatedAccess{}, err
	}
	if (g.Role == admin.Member) != (g.Team != "") {
		return admin.CreatedAccess{}, fmt.Errorf("%w: a member belongs to a team, and nobody else does: give role member and a team, or neither", admin.ErrRefused)
	}
	if kept, err := m.store.Access.List(ctx); err != nil {
		return admin.CreatedAccess{}, storeAway(err)
	} else if len(kept) >= accessMax {
		return admin.CreatedAccess{}, fmt.Errorf("%w: there are %d access tokens already: revoke some", admin.ErrRefused, len(kept))
	}
	id, secret, text := newSecret()
	made, err := m.store.Access.Create(ctx, store.AccessToken{
		ID: id, Name: g.Name, Role: string(g.Role), Team: g.Team, ReadOnly: g.ReadOnly, Source: g.Source,
		Author: admin.CallerOf(ctx).Name, Expires: expires,
	}, secret)
	if err != nil {
		return admin.CreatedAccess{}, storeAway(err)
	}
	return admin.CreatedAccess{AccessToken: m.accessToken(made), Text: text}, nil
}

// ends returns when a token ends that is to live for a while.
func (m management) ends(after string) (time.Time, error) {
	life, err := lasting(after, accessLife, accessLifeMax)
	if err == nil && life <= 0 {
		err = fmt.Errorf("%w: a token that lives for %s is of no use", admin.ErrRefused, after)
	}
	return m.options.Now().Add(life), err
}

// lasting reads a duration that has an upper bound.
func lasting(text string, otherwise, most time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %q is no duration, such as 24h", admin.ErrRefused, text)
	case d < 0 || d > most:
		return 0, fmt.Errorf("%w: %s is not between 0 and %s", admin.ErrRefused, text, most)
	}
	return d, nil
}

// AccessTokens returns all access tokens, those made last first.
func (m management) AccessTokens(ctx context.Context) ([]admin.AccessToken, error) {
	kept, err := m.store.Access.List(ctx)
	if err != nil {
		return nil, storeAway(err)
	}
	tokens := make([]admin.AccessToken, len(kept))
	for i, t := range kept {
		tokens[i] = m.accessToken(t)
	}
	return tokens, nil
}

// AccessToken returns one access token.
func (m management) AccessToken(ctx context.Context, id string) (admin.AccessToken, error) {
	t, _, err := m.store.Access.Find(ctx, id)
	if err != nil {
		return admin.AccessToken{}, accessError(id, err)
	}
	return m.accessToken(t), nil
}

// RotateAccess makes an access token in the place of another.
func (m management) RotateAccess(ctx context.Context, id string, r admin.AccessRotation) (admin.CreatedAccess, error) {
	expires, err := m.ends(r.Expires)
	if err != nil {
		return admin.CreatedAccess{}, err
	}
	overlap, err := lasting(r.Overlap, 0, overlapMax)
	if err != nil {
		return admin.CreatedAccess{}, err
	}
	next, secret, text := newSecret()
	made, err := m.store.Access.Rotate(ctx, id, store.AccessToken{ID: next, Author: admin.CallerOf(ctx).Name, Expires: expires}, secret, m.options.Now().Add(overlap))
	m.shown.forget(id)
	if err != nil {
		return admin.CreatedAccess{}, accessError(id, err)
	}
	return admin.CreatedAccess{AccessToken: m.accessToken(made), Text: text}, nil
}

// RevokeAccess makes an access token worthless: here at once, on other replicas when they ask again, within half a second.
func (m management) RevokeAccess(ctx context.Context, id string) error {
	err := m.store.Access.Revoke(ctx, id)
	m.shown.forget(id)
	if err != nil {
		return accessError(id, err)
	}
	return nil
}

// accessError puts an error of the store into the API's words.
func accessError(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: there is no access token %s: \"gatehouse access list\" shows those there are", admin.ErrNotFound, id)
	case errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrExpired):
		return fmt.Errorf("%w: access token %s has ended: make a new one", admin.ErrUnable, id)
	}
	return storeAway(err)
}

// accessToken returns what may be shown of an access token.
func (m management) accessToken(t store.AccessToken) admin.AccessToken {
	out := admin.AccessToken{
		ID: t.ID, Name: t.Name, Role: admin.Role(t.Role), Team: t.Team, ReadOnly: t.ReadOnly, Source: t.Source, State: "open",
		Author: t.Author, Created: t.Created, Expires: t.Expires, Used: t.Used, Revoked: t.Revoked,
	}
	switch {
	case !t.Revoked.IsZero():
		out.State = "revoked"
	case !m.options.Now().Before(t.Expires):
		out.State = "expired"
	}
	return out
}
