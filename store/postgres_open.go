package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
)

const pgLockPoll = 50 * time.Millisecond

// openPostgres connects to a database, brings its schema up to date, and returns it with its name for people.
func openPostgres(ctx context.Context, o Options) (*database, string, error) {
	config, err := pgConfig(o.URL, positive(o.Wait, defaultWait))
	if err != nil {
		return nil, "PostgreSQL", err
	}
	name := (&url.URL{Scheme: "postgres", Host: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), Path: config.Database}).String()
	p := &postgres{config: config}
	d := &database{
		dialect: p, write: p.pool(pgWriters, nil), beat: p.pool(1, nil),
		read: p.pool(pgReaders, map[string]string{"default_transaction_read_only": "on"}),
		now:  o.Now, timeout: positive(o.Timeout, defaultTimeout),
	}
	d.feed = &hub{watchers: map[*watcher]struct{}{}, start: func(ctx context.Context) { p.follow(ctx, d) }}
	// A migration takes as long as it takes; the context bounds it.
	migrating := p.pool(2, map[string]string{"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"})
	if err := errors.Join(p.prepare(ctx, migrating, o.steps), migrating.Close()); err != nil {
		err = named(p, p.classify(err))
		return nil, name, errors.Join(err, d.read.Close(), d.beat.Close(), d.write.Close())
	}
	return d, name, nil
}

// prepare finds the schema, and migrates it while no other process does.
func (p *postgres) prepare(ctx context.Context, db *sql.DB, files fs.FS) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var schema sql.NullString
	if err := conn.QueryRowContext(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return err
	}
	if !schema.Valid {
		return fmt.Errorf("%w: there is no schema to work in: search_path names none that exists", ErrInvalid)
	}
	p.key = keyOf("change", schema.String)
	p.channel = fmt.Sprintf("gatehouse_%x", p.key)
	if files == nil {
		if files, err = steps("postgres"); err != nil {
			return err
		}
	}
	unlock, err := p.alone(ctx, conn, keyOf("migrate", schema.String))
	if err != nil {
		return err
	}
	return errors.Join(p.migrate(ctx, db, files), unlock())
}

// alone waits until no other process migrates. The lock belongs to the connection.
func (p *postgres) alone(ctx context.Context, conn *sql.Conn, key int64) (unlock func() error, err error) {
	ticker := time.NewTicker(pgLockPoll)
	defer ticker.Stop()
	for {
		var locked bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&locked); err != nil {
			return nil, err
		}
		if locked {
			return func() error {
				_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", key)
				return err
			}, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, errors.Join(ErrBusy, context.Cause(ctx))
		}
	}
}

// migrate looks without touching, and then brings the schema up to date.
func (p *postgres) migrate(ctx context.Context, db *sql.DB, files fs.FS) error {
	provider, err := migrator(goose.DialectPostgres, db, files)
	if err != nil {
		return err
	}
	var tables, ours int
	if err := db.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE tablename = $1) FROM pg_tables
		WHERE schemaname = current_schema()`, versions).Scan(&tables, &ours); err != nil {
		return err
	}
	if ours == 0 && tables > 0 {
		return fmt.Errorf("%w: the schema has %d tables, and none of ours", ErrForeign, tables)
	}
	if ours > 0 {
		var current int64
		if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versions+" WHERE is_applied").Scan(&current); err != nil {
			return err
		}
		switch known := newest(provider); {
		case current > known:
			return fmt.Errorf("%w: its schema is %d, this version knows %d", ErrNewer, current, known)
		case current == known:
			return nil
		}
	}
	var may bool
	if err := db.QueryRowContext(ctx, `SELECT has_schema_privilege(current_schema(), 'CREATE')
		AND current_setting('transaction_read_only') = 'off'`).Scan(&may); err != nil {
		return err
	}
	if !may {
		return fmt.Errorf("%w: no table can be made in the schema", ErrReadOnly)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}
