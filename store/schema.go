package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var embedded embed.FS

// versions is the table in which goose keeps what it did.
const versions = "schema_versions"

// steps are the migrations of a dialect that this version knows.
func steps(dialect string) (fs.FS, error) { return fs.Sub(embedded, "migrations/"+dialect) }

// migrator returns goose over migrations. It says nothing by itself.
func migrator(dialect goose.Dialect, db *sql.DB, files fs.FS) (*goose.Provider, error) {
	return goose.NewProvider(
		dialect, db, files,
		goose.WithTableName(versions), goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)),
	)
}

// migrate brings the schema up to date, each step in a transaction of its own. Before it touches a schema that is older, it
// puts a copy of the store beside it, so that there is a way back to the version that wrote it.
func migrate(ctx context.Context, db *sql.DB, path string, files fs.FS) error {
	if _, err := db.ExecContext(ctx, fmt.Sprint("PRAGMA application_id = ", application)); err != nil {
		return err
	}
	provider, err := migrator(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	current, err := schema(ctx, db)
	if err != nil {
		return err
	}
	if current > 0 && current < newest(provider) {
		err := copyTo(ctx, path, fmt.Sprintf("%s.schema-%d", path, current))
		if err != nil && !errors.Is(err, ErrThere) { // An earlier attempt made it.
			return fmt.Errorf("keep a copy of schema %d: %w", current, err)
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}

// notNewer returns ErrNewer where a newer version has changed the schema.
func notNewer(ctx context.Context, db *sql.DB, files fs.FS) error {
	provider, err := migrator(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	current, err := schema(ctx, db)
	if err == nil && current > newest(provider) {
		err = fmt.Errorf("%w: its schema is %d, this version knows %d", ErrNewer, current, newest(provider))
	}
	return err
}

// newest is the number of the last migration; goose takes none without one.
func newest(provider *goose.Provider) int64 {
	known := provider.ListSources()
	return known[len(known)-1].Version
}

// schema returns the number of the schema that a database has; 0 where it has none yet.
func schema(ctx context.Context, db *sql.DB) (current int64, err error) {
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = $1", versions).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versions+" WHERE is_applied").Scan(&current)
	return current, err
}
