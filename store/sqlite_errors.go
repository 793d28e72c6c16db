package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

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

// advise says what an operator can do about an error.
func (f *sqliteFile) advise(err error) string {
	switch {
	case errors.Is(err, ErrCorrupt):
		return "move the file and those that begin with its name aside, and put a backup in its place; without one the daemon starts with an empty store"
	case errors.Is(err, ErrNewer):
		return "start the newer version, or put a backup of the older one in its place"
	case errors.Is(err, ErrForeign):
		return "choose another state directory"
	case errors.Is(err, ErrReadOnly):
		return "let the daemon's user write to the directory and the files in it"
	case errors.Is(err, ErrGone):
		return "put the file back, or restart the daemon, which then begins with what is there"
	case errors.Is(err, ErrFull):
		return "make room on the disk"
	}
	return ""
}
