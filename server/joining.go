package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/join"
)

// joining returns the joining service, where nodes of other hosts can join.
func (m management) joining() (*join.Service, error) {
	if m.remote == nil || m.options.Remote.Join == "" {
		return nil, admin.ErrNoJoining
	}
	return m.remote.joining, nil
}

// CreateToken makes a token.
func (m management) CreateToken(ctx context.Context, g admin.Grant) (admin.CreatedToken, error) {
	service, err := m.joining()
	if err != nil {
		return admin.CreatedToken{}, err
	}
	grant := join.Grant{Fleet: g.Fleet, Node: g.Node, Uses: g.Uses}
	if g.Expires != "" {
		if grant.Life, err = time.ParseDuration(g.Expires); err != nil {
			return admin.CreatedToken{}, fmt.Errorf("%w: %w", admin.ErrGrant, err)
		}
		if grant.Life == 0 {
			grant.Life = -1 // 0 is not said.
		}
	}
	text, t, err := service.Create(ctx, grant)
	if errors.Is(err, join.ErrGrant) {
		return admin.CreatedToken{}, fmt.Errorf("%w: %w", admin.ErrGrant, err)
	}
	return admin.CreatedToken{Token: m.token(t), Text: text}, storeAway(err)
}

// Tokens returns all tokens.
func (m management) Tokens(ctx context.Context) ([]admin.Token, error) {
	service, err := m.joining()
	if err != nil {
		return nil, err
	}
	kept, err := service.Tokens(ctx)
	if err != nil {
		return nil, storeAway(err)
	}
	tokens := make([]admin.Token, len(kept))
	for i, t := range kept {
		tokens[i] = m.token(t)
	}
	return tokens, nil
}

// token returns what may be shown of a token, in the API's words.
func (m management) token(t join.Token) admin.Token {
	out := admin.Token{
		ID: t.ID, Fleet: t.Fleet, Node: t.Node, Uses: t.Uses, Created: t.Created, Expires: t.Expires, Used: t.Used, Revoked: t.Revoked,
	}
	switch {
	case !t.Revoked.IsZero():
		out.State = "revoked"
	case t.Uses < 1:
		out.State = "spent"
	case !m.options.Now().Before(t.Expires):
		out.State = "expired"
	default:
		out.State = "open"
	}
	return out
}

// RevokeToken makes a token worthless.
func (m management) RevokeToken(ctx context.Context, id string) error {
	service, err := m.joining()
	if err != nil {
		return err
	}
	if err := service.Revoke(ctx, id); errors.Is(err, join.ErrUnknownToken) {
		return admin.ErrNoToken
	} else if err != nil {
		return storeAway(err)
	}
	return nil
}

// Roots returns the roots of the authority.
func (m management) Roots(ctx context.Context) ([]admin.Root, error) {
	if m.remote == nil {
		return nil, admin.ErrNoJoining
	}
	return rootsOf(m.remote.authority.Roots(ctx))
}

// RotateRoot makes the authority's next root, or lets the one that is next sign.
func (m management) RotateRoot(ctx context.Context) ([]admin.Root, error) {
	if m.remote == nil {
		return nil, admin.ErrNoJoining
	}
	roots, err := m.remote.authority.Rotate(ctx)
	if errors.Is(err, join.ErrOwn) {
		return nil, fmt.Errorf("%w: %w", admin.ErrOwnAuthority, err)
	}
	return rootsOf(roots, err)
}

func rootsOf(roots []join.RootInfo, err error) ([]admin.Root, error) {
	out := make([]admin.Root, len(roots))
	for i, r := range roots {
		out[i] = admin.Root{ID: r.ID, State: string(r.State), Changed: r.Changed, Expires: r.Expires}
	}
	return out, storeAway(err)
}
