package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// application marks a database as ours: the field of its header that SQLite leaves to applications. ASCII "Gate".
const application = 0x47617465

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

// checkpoint moves what is in the log into the file. Another process may keep it from that; then the last one that closes
// does it, or whoever opens the store next.
func checkpoint(db *sql.DB, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, _ = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
}

// check reads every page and returns ErrCorrupt where the structure is damaged.
func check(ctx context.Context, q querier) error {
	var found string
	if err := q.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, found)
	}
	return nil
}

// classify gives an error of the database or of the file system its meaning.
func classify(err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	var meaning error
	switch failure.Code() & 0xff { // Above are details.
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		meaning = ErrCorrupt
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		meaning = ErrReadOnly
	case sqlite3.SQLITE_FULL:
		meaning = ErrFull
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		meaning = ErrBusy
	case sqlite3.SQLITE_CONSTRAINT:
		meaning = ErrConflict
	default:
		return err
	}
	return fmt.Errorf("%w (%w)", meaning, err)
}
