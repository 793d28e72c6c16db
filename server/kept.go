package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/join"
	"github.com/gatehouse/gatehouse/store"
)

// keptRoots keeps the roots of the built-in authority in the store.
type keptRoots struct{ authority *store.Authority }

// Roots returns all, the oldest first.
func (k keptRoots) Roots(ctx context.Context) ([]join.Root, error) {
	kept, err := k.authority.List(ctx)
	if err != nil {
		return nil, err
	}
	roots := make([]join.Root, len(kept))
	for i, c := range kept {
		roots[i] = join.Root{ID: c.ID, State: join.State(c.State), Changed: c.Changed, Certificate: c.Certificate, Key: c.Key}
	}
	return roots, nil
}

// AddRoot keeps another.
func (k keptRoots) AddRoot(ctx context.Context, r join.Root) error {
	_, err := k.authority.Add(ctx, store.CA{ID: r.ID, Certificate: r.Certificate, Key: r.Key, State: string(r.State)})
	return changed(err)
}

// MoveRoots changes states, all or none.
func (k keptRoots) MoveRoots(ctx context.Context, moves ...join.Move) error {
	kept := make([]store.Move, len(moves))
	for i, m := range moves {
		kept[i] = store.Move{ID: m.ID, From: string(m.From), To: string(m.To)}
	}
	return changed(k.authority.Move(ctx, kept...))
}

// RemoveRoot forgets a retired root.
func (k keptRoots) RemoveRoot(ctx context.Context, id string) error {
	return changed(k.authority.Remove(ctx, id))
}

func changed(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: %w", join.ErrChanged, err)
	}
	return err
}

// keptTokens keeps tokens in the store.
type keptTokens struct{ tokens *store.Tokens }

// AddToken keeps a new one.
func (k keptTokens) AddToken(ctx context.Context, t join.Token, s join.Secret) (join.Token, error) {
	kept, err := k.tokens.Create(ctx, store.Token{ID: t.ID, Fleet: t.Fleet, Node: t.Node, Uses: t.Uses, Expires: t.Expires}, s[:])
	return tokenOf(kept), err
}

// TakeToken takes one use, and says for the log alone why it does not.
func (k keptTokens) TakeToken(ctx context.Context, c join.Claim) (join.Token, error) {
	kept, err := k.tokens.Take(ctx, store.Claim{ID: c.ID, Secret: c.Secret[:], Node: c.Node})
	for refused, reason := range map[error]string{
		store.ErrNotFound: "there is no such token for this node", store.ErrExpired: "expired", store.ErrRevoked: "revoked", store.ErrSpent: "used up",
	} {
		if errors.Is(err, refused) {
			return join.Token{}, join.Refused(reason)
		}
	}
	return tokenOf(kept), err
}

// Tokens returns all, those made last first.
func (k keptTokens) Tokens(ctx context.Context) ([]join.Token, error) {
	kept, err := k.tokens.List(ctx, "")
	if err != nil {
		return nil, err
	}
	tokens := make([]join.Token, len(kept))
	for i, t := range kept {
		tokens[i] = tokenOf(t)
	}
	return tokens, nil
}

// RevokeToken makes a token worthless.
func (k keptTokens) RevokeToken(ctx context.Context, id string) error {
	err := k.tokens.Revoke(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return join.ErrUnknownToken
	}
	return err
}

func tokenOf(t store.Token) join.Token {
	return join.Token{
		ID: t.ID, Fleet: t.Fleet, Node: t.Node, Uses: t.Uses, Created: t.Created, Expires: t.Expires, Used: t.Used, Revoked: t.Revoked,
	}
}
