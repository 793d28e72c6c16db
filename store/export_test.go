package store

import (
	"context"
	"io/fs"
	"testing"
)

// Steps are the migrations of this version.
func Steps() (fs.FS, error) { return steps("sqlite") }

// WithSteps opens a store as a version would that knows these migrations.
func WithSteps(o Options, files fs.FS) Options {
	o.steps = files
	return o
}

// Exec runs SQL on the connection that writes.
func (s *Store) Exec(ctx context.Context, query string) error {
	_, err := s.db.write.ExecContext(ctx, query)
	return err
}

// Setting returns a setting of the connection that writes.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.db.write.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// Occupy takes the connection that writes until release.
func (s *Store) Occupy(t *testing.T) (release func()) {
	t.Helper()
	conn, err := s.db.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close() }
}

// Count returns the number that a query asks for.
func (s *Store) Count(ctx context.Context, query string) (n int, err error) {
	err = s.db.write.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}
