package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
)

// Sight is what can be seen of a store without opening it.
type Sight struct {
	Path   string      // For people.
	Mode   fs.FileMode // Of the widest of the files of SQLite; 0 for PostgreSQL.
	Schema int64       // The number of its schema; 0: it is empty.
	Known  int64       // The number of the newest schema that this version knows.

	Plain, Sealed int // How many keys and secrets are readable to whoever reads the database, and how many are encrypted.
}

// Look looks at a store and changes nothing: neither is it made, nor its schema brought up to date, nor looked through for
// damage. The errors are fs.ErrNotExist where there is no file, and those of Open.
func Look(ctx context.Context, o Options) (seen Sight, err error) {
	ctx, cancel := deadline(ctx, positive(o.Timeout, defaultTimeout))
	defer cancel()
	if o.URL != "" {
		seen, err = lookAtPostgres(ctx, o)
	} else {
		seen, err = lookAtFile(ctx, o)
	}
	if err != nil {
		return seen, fmt.Errorf("look at the store %s: %w", seen.Path, err)
	}
	return seen, nil
}

func lookAtFile(ctx context.Context, o Options) (seen Sight, err error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return seen, err
	}
	seen.Path = filepath.Join(dir, File)
	if _, err := os.Stat(seen.Path); err != nil {
		return seen, err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(seen.Path + suffix); err == nil {
			seen.Mode |= info.Mode().Perm()
		}
	}
	db, err := connect(seen.Path, inspecting, positive(o.Wait, defaultWait))
	if err != nil {
		return seen, err
	}
	err = func() error {
		var mark int64
		if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&mark); err != nil {
			return err
		}
		if mark != application {
			return fmt.Errorf("%w: it bears the mark %#x", ErrForeign, mark)
		}
		var err error
		if seen.Schema, err = schema(ctx, db); err != nil {
			return err
		}
		return seen.fill(ctx, db, goose.DialectSQLite3, "sqlite", "SELECT name FROM sqlite_master WHERE type = 'table'")
	}()
	return seen, named(&sqliteFile{}, classify(errors.Join(err, db.Close())))
}

func lookAtPostgres(ctx context.Context, o Options) (seen Sight, err error) {
	seen.Path = "PostgreSQL"
	config, err := pgConfig(o.URL, positive(o.Wait, defaultWait))
	if err != nil {
		return seen, err
	}
	seen.Path = fmt.Sprintf("postgres://%s:%d/%s", config.Host, config.Port, strings.TrimPrefix(config.Database, "/"))
	p := &postgres{config: config}
	db := p.pool(1, map[string]string{"default_transaction_read_only": "on"})
	err = func() error {
		var tables, ours int
		if err := db.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE tablename = $1) FROM pg_tables
			WHERE schemaname = current_schema()`, versions).Scan(&tables, &ours); err != nil {
			return err
		}
		switch {
		case ours == 0 && tables > 0:
			return fmt.Errorf("%w: the schema has %d tables, and none of ours", ErrForeign, tables)
		case ours > 0:
			if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versions+" WHERE is_applied").Scan(&seen.Schema); err != nil {
				return err
			}
		}
		return seen.fill(ctx, db, goose.DialectPostgres, "postgres", "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
	}()
	return seen, named(p, p.classify(errors.Join(err, db.Close())))
}

// fill adds what is seen alike in both databases.
func (s *Sight) fill(ctx context.Context, db *sql.DB, dialect goose.Dialect, name, tables string) error {
	files, err := steps(name)
	if err != nil {
		return err
	}
	provider, err := migrator(dialect, db, files)
	if err != nil {
		return err
	}
	if s.Known = newest(provider); s.Schema > s.Known {
		return fmt.Errorf("%w: its schema is %d, this version knows %d", ErrNewer, s.Schema, s.Known)
	}
	there, err := collect(ctx, db, func(scan func(...any) error) (table string, err error) { err = scan(&table); return table, err }, tables)
	if err != nil {
		return err
	}
	for _, table := range there {
		if table != "authorities" && table != "secrets" {
			continue
		}
		var all, sealed int
		if err := db.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(CASE WHEN sealed THEN 1 ELSE 0 END), 0) FROM "+table).Scan(&all, &sealed); err != nil {
			return err
		}
		s.Plain, s.Sealed = s.Plain+all-sealed, s.Sealed+sealed
	}
	return nil
}
