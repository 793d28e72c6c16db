package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

// Tokens let nodes join. Of a token's secret only the SHA-256 is stored. A slow hash or a salt would add nothing: the secret
// has at least 256 random bits, which nobody can guess from a hash or list in advance.
type Tokens struct{ db *database }

// minSecret is how many bytes a secret has at least.
const minSecret = 32

// Token is one token, without its secret.
type Token struct {
	ID      string // Public: by this it is listed and revoked.
	Fleet   string
	Node    string // The only node it lets in; "" for any of the fleet.
	Uses    int    // How many are left.
	Author  string // Who made it.
	Created time.Time
	Expires time.Time
	Used    time.Time // When a use was taken last; zero for never.
	Revoked time.Time // Zero for one that is not.
}

// Claim is what somebody shows to join: a token's id and secret, and as whom.
type Claim struct {
	ID     string
	Secret []byte
	Fleet  string // "" for the token's.
	Node   string
}

const tokenColumns = "id, fleet, node, uses, author, created, expires, used, revoked"

func scanToken(scan func(...any) error) (t Token, err error) {
	var created, expires, used, revoked int64
	err = scan(&t.ID, &t.Fleet, &t.Node, &t.Uses, &t.Author, &created, &expires, &used, &revoked)
	t.Created, t.Expires, t.Used, t.Revoked = at(created), at(expires), at(used), at(revoked)
	return t, err
}

// Create stores a token with its secret, of at least 32 random bytes, and returns it with its times. ErrConflict tells that
// there is one with this id.
func (t *Tokens) Create(ctx context.Context, token Token, secret []byte) (Token, error) {
	what := "create token " + token.ID
	if token.ID == "" || token.Fleet == "" || token.Uses < 1 || token.Expires.IsZero() || len(secret) < minSecret {
		return Token{}, fmt.Errorf("%s: %w: it has an id, a fleet, a use at least, an end, and a secret of %d bytes at least", what, ErrInvalid, minSecret)
	}
	token.Created, token.Expires = stored(t.db.now()), stored(token.Expires)
	token.Used, token.Revoked = time.Time{}, time.Time{}
	hash := sha256.Sum256(secret)
	err := t.db.change(ctx, what, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernTokens, token.ID)
		_, err := exec(ctx, tx, `INSERT INTO tokens (id, hash, fleet, node, uses, author, created, expires, used, revoked)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0)`,
			token.ID, hash[:], token.Fleet, token.Node, token.Uses, token.Author, moment(token.Created), moment(token.Expires))
		return err
	})
	if err != nil {
		return Token{}, err
	}
	return token, nil
}

// Take takes one use of a token and returns what is left of it. Of two that take the last use at once, one gets it. The
// errors are ErrNotFound where there is no such token, or the secret, the fleet or the node is not its own: who does not know
// a secret learns nothing; and ErrExpired, ErrRevoked and ErrSpent. A claim that is refused takes no lock and writes nothing.
func (t *Tokens) Take(ctx context.Context, c Claim) (token Token, err error) {
	what := "take a use of token " + c.ID
	if err := t.db.view(ctx, what, func(ctx context.Context, q querier) error { return t.judge(ctx, q, c) }); err != nil {
		return Token{}, err
	}
	err = t.db.change(ctx, what, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernTokens, c.ID)
		if err := t.judge(ctx, tx, c); err != nil {
			return err // Somebody was faster.
		}
		token, err = one(ctx, tx, scanToken, "UPDATE tokens SET uses = uses - 1, used = $1 WHERE id = $2 AND uses > 0 RETURNING "+tokenColumns,
			moment(t.db.now()), c.ID)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	return token, nil
}

// judge says whether a claim may take a use now.
func (t *Tokens) judge(ctx context.Context, q querier, c Claim) error {
	var hash []byte
	token, err := one(ctx, q, func(scan func(...any) error) (Token, error) {
		return scanToken(func(dest ...any) error { return scan(append(dest, &hash)...) })
	}, "SELECT "+tokenColumns+", hash FROM tokens WHERE id = $1", c.ID)
	if err != nil {
		return err
	}
	shown := sha256.Sum256(c.Secret)
	ours := c.Fleet == "" || c.Fleet == token.Fleet
	named := token.Node == "" || c.Node == token.Node
	switch {
	case subtle.ConstantTimeCompare(shown[:], hash) == 0, !ours, !named:
		return ErrNotFound
	case !token.Revoked.IsZero():
		return ErrRevoked
	case !t.db.now().Before(token.Expires):
		return ErrExpired
	case token.Uses < 1:
		return ErrSpent
	}
	return nil
}

// List returns the tokens of a fleet, or of all where it is "", newest first. Hashes are not among what is returned.
func (t *Tokens) List(ctx context.Context, fleet string) (tokens []Token, err error) {
	err = t.db.view(ctx, "list tokens", func(ctx context.Context, q querier) error {
		tokens, err = collect(ctx, q, scanToken,
			"SELECT "+tokenColumns+" FROM tokens WHERE fleet = $1 OR $1 = '' ORDER BY created DESC, id", fleet)
		return err
	})
	return tokens, err
}

// Revoke ends a token, or returns ErrNotFound. One that is revoked stays as it is.
func (t *Tokens) Revoke(ctx context.Context, id string) error {
	return t.db.change(ctx, "revoke token "+id, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernTokens, id)
		changed, err := exec(ctx, tx, "UPDATE tokens SET revoked = CASE WHEN revoked = 0 THEN $1 ELSE revoked END WHERE id = $2",
			moment(t.db.now()), id)
		if err == nil && changed == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Forget removes the tokens that expired before a time, and returns how many.
func (t *Tokens) Forget(ctx context.Context, before time.Time) (forgotten int, err error) {
	err = t.db.change(ctx, "forget tokens", func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernTokens, "")
		forgotten, err = exec(ctx, tx, "DELETE FROM tokens WHERE expires < $1", moment(before))
		return err
	})
	return forgotten, err
}
