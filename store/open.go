package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	defaultWait = 5 * time.Second
	lockPoll    = 10 * time.Millisecond
)

// open makes or finds the database at a path, in this order: look without touching, then migrate, then serve.
func open(ctx context.Context, path string, o Options) (*database, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := place(path); err != nil {
		return nil, err
	}
	files := o.steps
	if files == nil {
		if files, err = steps("sqlite"); err != nil {
			return nil, err
		}
	}
	wait := positive(o.Wait, defaultWait)
	if err := inspect(ctx, path, wait, files); err != nil {
		return nil, err
	}
	write, err := connect(path, writing, wait)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write, path, files); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := connect(path, reading, wait)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	file, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	timeout := positive(o.Timeout, defaultTimeout)
	dialect := &sqliteFile{path: path, file: file, now: o.Now, limit: timeout}
	d := &database{dialect: dialect, write: write, read: read, beat: write, now: o.Now, timeout: timeout}
	d.feed = &hub{local: true, watchers: map[*watcher]struct{}{}, start: func(ctx context.Context) { dialect.follow(ctx, d) }}
	return d, nil
}

// lock keeps other processes from opening the same store until unlock: two that make or migrate it at once would disturb
// each other. The lock is on the directory and leaves nothing behind; a file system without locks has none.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			return func() { _ = folder.Close() }, nil // Closing unlocks; nothing was written.
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, errors.Join(ErrBusy, context.Cause(ctx), folder.Close())
		}
	}
}

// place makes an empty file that only its owner reads where there is none, and takes from others the right to read one that
// is there. It never opens a file that is there: closing it would take away the locks that SQLite has on it in this process.
func place(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(path)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: what is there is no file", ErrForeign)
	case info.Mode().Perm()&0o077 != 0:
		return os.Chmod(path, 0o600)
	}
	return nil
}

func create(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir puts on the disk which names a directory holds.
func syncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// inspect says whether a file is a database of ours that this version can work with. It changes nothing.
func inspect(ctx context.Context, path string, wait time.Duration, files fs.FS) error {
	db, err := connect(path, inspecting, wait)
	if err != nil {
		return err
	}
	if err := identify(ctx, db, files); err != nil {
		return errors.Join(err, db.Close())
	}
	return db.Close()
}

func identify(ctx context.Context, db *sql.DB, files fs.FS) error {
	var mark, tables int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&mark); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	if mark != application && (mark != 0 || tables != 0) {
		return fmt.Errorf("%w: it bears the mark %#x", ErrForeign, mark)
	}
	if err := check(ctx, db); err != nil {
		return err
	}
	return notNewer(ctx, db, files)
}
