package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strconv"
	"time"

	"modernc.org/sqlite"
)

// application marks a database as ours: the field of its header that SQLite leaves to applications. ASCII "Gate".
const application = 0x47617465

// sqliteFile is the dialect of SQLite: one file, which several processes of one host may use.
type sqliteFile struct {
	path  string
	file  os.FileInfo // What was at the path when it was opened.
	now   func() time.Time
	limit time.Duration // How long the last checkpoint may take.
}

// ready returns ErrGone where the file was removed or replaced.
func (f *sqliteFile) ready() error {
	if now, err := os.Stat(f.path); err != nil || !os.SameFile(now, f.file) {
		return errors.Join(ErrGone, err)
	}
	return nil
}

// lock does nothing: a transaction of the connection that changes begins with it.
func (f *sqliteFile) lock(context.Context, *sql.Tx) error { return nil }

// announce counts the change; other processes look for the number.
func (f *sqliteFile) announce(ctx context.Context, tx *sql.Tx, _ []Notice) (number int64, err error) {
	err = tx.QueryRowContext(ctx, "UPDATE feed SET number = number + 1 WHERE id = 1 RETURNING number").Scan(&number)
	return number, err
}

func (f *sqliteFile) whisper(ctx context.Context, tx *sql.Tx, notices []Notice) error {
	if len(notices) == 0 {
		return nil
	}
	_, err := f.announce(ctx, tx, notices)
	return err
}

func (f *sqliteFile) clock(context.Context, querier) (time.Time, error) { return f.now(), nil }

func (f *sqliteFile) check(ctx context.Context, q querier) error { return check(ctx, q) }

func (f *sqliteFile) classify(err error) error { return classify(err) }

func (f *sqliteFile) late() error { return context.DeadlineExceeded }

// feedPoll is how often the number of the last change is read.
const feedPoll = 200 * time.Millisecond

func (f *sqliteFile) follow(ctx context.Context, d *database) {
	ticker := time.NewTicker(feedPoll)
	defer ticker.Stop()
	for {
		if number, err := d.lastChange(ctx); err == nil { // What cannot be read now can be in 200 ms.
			d.feed.polled(number)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// finish moves what is in the log into the file. Another process may keep it from that; then the last one that closes
// does it, or whoever opens the store next.
func (f *sqliteFile) finish(d *database) {
	ctx, cancel := context.WithTimeout(context.Background(), f.limit)
	defer cancel()
	_, _ = d.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
}

// counted returns how far the numbers of a table were given.
func (f *sqliteFile) counted(ctx context.Context, q querier, table string) (value int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = $1", table).Scan(&value)
	return value, err
}

func (f *sqliteFile) count(ctx context.Context, tx *sql.Tx, table string, value int64) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM sqlite_sequence WHERE name = $1", table); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", table, value)
	return err
}

func (f *sqliteFile) patient(context.Context, *sql.Tx) error { return nil }

func (f *sqliteFile) snapshot() *sql.TxOptions { return nil }

// role is what a connection is for.
type role int

const (
	inspecting role = iota // Changes nothing, not even the journal's mode.
	writing
	reading
	copying // Reads all, into another file.
)

// connect returns a pool for one role. Every change is synced to the disk before it is confirmed (synchronous=FULL; under
// WAL that is one sync for each transaction), and takes the lock when it begins, so that none fails half way because
// another was first. Deleted content is overwritten, as keys and hashes are among it.
func connect(path string, as role, wait time.Duration) (*sql.DB, error) {
	settings := url.Values{
		"_busy_timeout": {strconv.FormatInt(wait.Milliseconds(), 10)},
		"_dqs":          {"false"},
		"_defensive":    {"true"},
		"_error_rc":     {"true"},
		"_foreign_keys": {"on"},
		"mode":          {"rw"},
		"_pragma":       {"temp_store(memory)"}, // What is sorted stays off other disks.
	}
	most := 1
	switch as {
	case writing:
		settings.Set("_txlock", "immediate")
		settings.Set("_journal_mode", "WAL")
		settings.Set("_synchronous", "FULL")
		settings.Add("_pragma", "secure_delete(on)")
		settings.Add("_pragma", "journal_size_limit(16777216)")
	case reading:
		settings.Set("_query_only", "on")
		most = readers
	case inspecting:
		settings.Set("_query_only", "on")
	case copying:
	}
	connector, err := sqlite.NewConnector((&url.URL{Scheme: "file", Path: path, RawQuery: settings.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}
