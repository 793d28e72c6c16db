package store

import (
	"context"
	"fmt"
)

// Secrets are small secrets of whatever kind, sealed like the keys of authorities.
type Secrets struct {
	db   *database
	keys ring
}

// maxSecret is how many bytes a secret has at most.
const maxSecret = 64 << 10

// sealedSecret, with the name behind it, is for whom a secret is sealed.
const sealedSecret = "secret/"

// Put stores a secret under a name, in the place of another.
func (s *Secrets) Put(ctx context.Context, name string, secret []byte) error {
	if name == "" || len(secret) == 0 || len(secret) > maxSecret {
		return fmt.Errorf("store the secret %s: %w: it has a name, and at most %d bytes", name, ErrInvalid, maxSecret)
	}
	value, sealed := s.keys.seal(secret, sealedSecret+name)
	return s.db.change(ctx, "store the secret "+name, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernSecrets, name)
		_, err := exec(ctx, tx, `INSERT INTO secrets (name, value, sealed, changed) VALUES ($1, $2, $3, $4) ON CONFLICT (name)
			DO UPDATE SET value = excluded.value, sealed = excluded.sealed, changed = excluded.changed`, name, value, sealed, moment(s.db.now()))
		return err
	})
}

// Get returns the secret under a name, or ErrNotFound. ErrSealed tells that no sealing key given opens it.
func (s *Secrets) Get(ctx context.Context, name string) (secret []byte, err error) {
	err = s.db.view(ctx, "read the secret "+name, func(ctx context.Context, q querier) error {
		var sealed bool
		if err := q.QueryRowContext(ctx, "SELECT value, sealed FROM secrets WHERE name = $1", name).Scan(&secret, &sealed); err != nil {
			return err
		}
		secret, err = s.keys.open(secret, sealed, sealedSecret+name)
		return err
	})
	return secret, err
}

// Names lists what secrets there are.
func (s *Secrets) Names(ctx context.Context) (names []string, err error) {
	err = s.db.view(ctx, "list secrets", func(ctx context.Context, q querier) error {
		names, err = collect(ctx, q, func(scan func(...any) error) (name string, err error) { return name, scan(&name) },
			"SELECT name FROM secrets ORDER BY name")
		return err
	})
	return names, err
}

// Remove removes a secret, or returns ErrNotFound.
func (s *Secrets) Remove(ctx context.Context, name string) error {
	return s.db.change(ctx, "remove the secret "+name, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernSecrets, name)
		removed, err := exec(ctx, tx, "DELETE FROM secrets WHERE name = $1", name)
		if err == nil && removed == 0 {
			err = ErrNotFound
		}
		return err
	})
}
