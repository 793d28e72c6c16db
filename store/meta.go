package store

import (
	"context"
	"fmt"
)

// Meta holds small things of which there is one each, such as the trust domain.
type Meta struct{ db *database }

// Get returns the value under a name, or ErrNotFound.
func (m *Meta) Get(ctx context.Context, name string) (value string, err error) {
	err = m.db.view(ctx, "read "+name, func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1", name).Scan(&value)
	})
	return value, err
}

// Set stores a value under a name, in the place of another.
func (m *Meta) Set(ctx context.Context, name, value string) error {
	if name == "" {
		return fmt.Errorf("store a value: %w: its name is missing", ErrInvalid)
	}
	return m.db.change(ctx, "store "+name, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernMeta, name)
		_, err := exec(ctx, tx, "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
		return err
	})
}

// Init stores a value under a name that has none, and returns what is stored then: of several that set it first at once, all
// get the same.
func (m *Meta) Init(ctx context.Context, name, value string) (stored string, err error) {
	if name == "" {
		return "", fmt.Errorf("store a value: %w: its name is missing", ErrInvalid)
	}
	err = m.db.change(ctx, "store "+name, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernMeta, name)
		if _, err := exec(ctx, tx, "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, value); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1", name).Scan(&stored)
	})
	return stored, err
}
