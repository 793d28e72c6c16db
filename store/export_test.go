package store

import (
	"context"
	"io/fs"
	"testing"
)

// Steps are the migrations of this version.
func Steps() (fs.FS, error) { return steps("sqlite") }

// StepsOf are the migrations of a dialect.
func StepsOf(dialect string) (fs.FS, error) { return steps(dialect) }

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

// Names returns the texts that a query asks for.
func (s *Store) Names(ctx context.Context, query string) (names []string, err error) {
	return collect(ctx, s.db.read, func(scan func(...any) error) (name string, err error) { return name, scan(&name) }, query)
}

// KnownTables are those that a dump holds, and those that it leaves out on purpose.
func KnownTables() map[string]bool {
	known := map[string]bool{}
	for _, t := range dumped() {
		known[t.name] = true
	}
	for _, name := range passing() {
		known[name] = true
	}
	return known
}
