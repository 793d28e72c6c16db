package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

// Access holds the access tokens of the management API. As with Tokens, only the SHA-256 of a secret is stored, which has at
// least 256 random bits.
type Access struct{ db *database }

// AccessToken is one access token, without its secret.
type AccessToken struct {
	ID       string // Public: by this it is listed and revoked.
	Name     string // Whom or what it is for.
	Role     string
	Team     string // Of a member.
	ReadOnly bool   // It changes nothing, whatever the role.
	Source   string // The only source that it changes; "" for any.
	Author   string // Who made it.
	Created  time.Time
	Expires  time.Time
	Used     time.Time // About when it was used last; zero for never.
	Revoked  time.Time // Zero for one that is not.
}

// AccessHash is the hash of a secret.
type AccessHash [sha256.Size]byte

// Matches reports, in constant time, whether a secret is the one that was hashed.
func (h AccessHash) Matches(secret []byte) bool {
	shown := sha256.Sum256(secret)
	return subtle.ConstantTimeCompare(shown[:], h[:]) == 1
}

const accessColumns = "id, name, role, team, read_only, source, author, created, expires, used, revoked"

func scanAccess(scan func(...any) error) (t AccessToken, err error) {
	var created, expires, used, revoked int64
	err = scan(&t.ID, &t.Name, &t.Role, &t.Team, &t.ReadOnly, &t.Source, &t.Author, &created, &expires, &used, &revoked)
	t.Created, t.Expires, t.Used, t.Revoked = at(created), at(expires), at(used), at(revoked)
	return t, err
}

// Create stores a token with its secret, of at least 32 random bytes, and returns it with its times. ErrConflict tells that
// there is one with this id.
func (a *Access) Create(ctx context.Context, token AccessToken, secret []byte) (AccessToken, error) {
	what := "create access token " + token.ID
	token, err := a.complete(token, secret)
	if err != nil {
		return AccessToken{}, fmt.Errorf("%s: %w", what, err)
	}
	return token, a.db.change(ctx, what, func(ctx context.Context, tx *transaction) error {
		return insertAccess(ctx, tx, token, secret)
	})
}

// complete gives a new token its times, or returns ErrInvalid.
func (a *Access) complete(token AccessToken, secret []byte) (AccessToken, error) {
	if token.ID == "" || token.Role == "" || token.Expires.IsZero() || len(secret) < minSecret {
		return AccessToken{}, fmt.Errorf("%w: it has an id, a role, an end, and a secret of %d bytes at least", ErrInvalid, minSecret)
	}
	token.Created, token.Expires = stored(a.db.now()), stored(token.Expires)
	token.Used, token.Revoked = time.Time{}, time.Time{}
	return token, nil
}

func insertAccess(ctx context.Context, tx *transaction, t AccessToken, secret []byte) error {
	hash := sha256.Sum256(secret)
	_, err := exec(ctx, tx, `INSERT INTO access_tokens (id, hash, name, role, team, read_only, source, author, created, expires, used, revoked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0)`,
		t.ID, hash[:], t.Name, t.Role, t.Team, t.ReadOnly, t.Source, t.Author, moment(t.Created), moment(t.Expires))
	return err
}

// Find returns a token with the hash of its secret, or ErrNotFound. Whether it has expired or is revoked is for the caller to
// judge.
func (a *Access) Find(ctx context.Context, id string) (token AccessToken, hash AccessHash, err error) {
	err = a.db.view(ctx, "find access token "+id, func(ctx context.Context, q querier) error {
		var kept []byte
		token, err = one(ctx, q, func(scan func(...any) error) (AccessToken, error) {
			return scanAccess(func(dest ...any) error { return scan(append(dest, &kept)...) })
		}, "SELECT "+accessColumns+", hash FROM access_tokens WHERE id = $1", id)
		if err == nil && copy(hash[:], kept) != len(hash) {
			err = fmt.Errorf("%w: the hash of access token %s", ErrCorrupt, id)
		}
		return err
	})
	return token, hash, err
}

// List returns all tokens, newest first. Hashes are not among what is returned.
func (a *Access) List(ctx context.Context) (tokens []AccessToken, err error) {
	err = a.db.view(ctx, "list access tokens", func(ctx context.Context, q querier) error {
		tokens, err = collect(ctx, q, scanAccess, "SELECT "+accessColumns+" FROM access_tokens ORDER BY created DESC, id")
		return err
	})
	return tokens, err
}

// Rotate stores a new token in the place of another, which ends at a time, or earlier where it would have anyway. The new one
// has the other's name, role, team and scopes. It returns ErrNotFound, and ErrRevoked or ErrExpired for one that has ended.
func (a *Access) Rotate(ctx context.Context, id string, next AccessToken, secret []byte, ends time.Time) (made AccessToken, err error) {
	err = a.db.change(ctx, "rotate access token "+id, func(ctx context.Context, tx *transaction) error {
		old, err := one(ctx, tx, scanAccess, "SELECT "+accessColumns+" FROM access_tokens WHERE id = $1", id)
		switch {
		case err != nil:
			return err
		case !old.Revoked.IsZero():
			return ErrRevoked
		case !a.db.now().Before(old.Expires):
			return ErrExpired
		}
		next.Name, next.Role, next.Team, next.ReadOnly, next.Source = old.Name, old.Role, old.Team, old.ReadOnly, old.Source
		if made, err = a.complete(next, secret); err != nil {
			return err
		}
		if err := insertAccess(ctx, tx, made, secret); err != nil {
			return err
		}
		_, err = exec(ctx, tx, "UPDATE access_tokens SET expires = $1 WHERE id = $2 AND expires > $1", moment(ends), id)
		return err
	})
	if err != nil {
		return AccessToken{}, err
	}
	return made, nil
}

// Revoke ends a token, or returns ErrNotFound. One that is revoked stays as it is.
func (a *Access) Revoke(ctx context.Context, id string) error {
	return a.db.change(ctx, "revoke access token "+id, func(ctx context.Context, tx *transaction) error {
		changed, err := exec(ctx, tx, "UPDATE access_tokens SET revoked = CASE WHEN revoked = 0 THEN $1 ELSE revoked END WHERE id = $2",
			moment(a.db.now()), id)
		if err == nil && changed == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Touch keeps that a token was used at a time, where it was not used later.
func (a *Access) Touch(ctx context.Context, id string, used time.Time) error {
	return a.db.change(ctx, "keep the use of access token "+id, func(ctx context.Context, tx *transaction) error {
		_, err := exec(ctx, tx, "UPDATE access_tokens SET used = $1 WHERE id = $2 AND used < $1", moment(used), id)
		return err
	})
}

// Forget removes the tokens that ended before a time, and returns how many.
func (a *Access) Forget(ctx context.Context, before time.Time) (forgotten int, err error) {
	err = a.db.change(ctx, "forget access tokens", func(ctx context.Context, tx *transaction) error {
		forgotten, err = exec(ctx, tx, "DELETE FROM access_tokens WHERE expires < $1 OR (revoked > 0 AND revoked < $1)", moment(before))
		return err
	})
	return forgotten, err
}
