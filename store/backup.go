package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a copy of the store, of one moment, to a file that must not exist yet, with mode 0600, while the store is
// used on. The copy is complete or not there. It holds what the store holds: private keys too, sealed if they are. Of SQLite it
// is a database, of PostgreSQL a dump; Restore takes both.
func (s *Store) Backup(ctx context.Context, path string) error {
	ctx, cancel := deadline(ctx, bulkTimeout)
	defer cancel()
	return s.db.wrap("back up the store to "+path, s.backup(ctx, path))
}

func (s *Store) backup(ctx context.Context, path string) error {
	if s.db.closed.Load() {
		return ErrClosed
	}
	if _, isFile := s.db.dialect.(*sqliteFile); isFile {
		return copyTo(ctx, s.path, path)
	}
	return writeNew(path, func(part *os.File) error {
		out := bufio.NewWriter(part)
		return errors.Join(s.db.dump(ctx, out), out.Flush())
	})
}

// DumpTo writes a dump to a file that must not exist yet, with mode 0600: complete, or not there.
func (s *Store) DumpTo(ctx context.Context, path string) error {
	ctx, cancel := deadline(ctx, bulkTimeout)
	defer cancel()
	return s.db.wrap("dump the store to "+path, writeNew(path, func(part *os.File) error {
		out := bufio.NewWriter(part)
		return errors.Join(s.db.dump(ctx, out), out.Flush())
	}))
}

// copyTo writes all that is stored in one file, without what was deleted, into another that must not be there yet.
func copyTo(ctx context.Context, path, to string) error {
	return writeNew(to, func(part *os.File) error { return vacuum(ctx, path, part.Name()) })
}

// writeNew makes a file that must not be there yet, with mode 0600: with all that write puts into it, or not at all.
func writeNew(to string, write func(part *os.File) error) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(ErrThere, err)
	}
	part, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".part-*") // With mode 0600.
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // Where it was not linked, it is of no use.
	if err := errors.Join(write(part), part.Sync(), part.Close()); err != nil {
		return err
	}
	if err := os.Link(part.Name(), to); err != nil { // Unlike a rename it replaces nothing.
		return err
	}
	return syncDir(filepath.Dir(to))
}

// vacuum writes the content of one database into an empty file.
func vacuum(ctx context.Context, path, to string) error {
	db, err := connect(path, copying, defaultWait)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO $1", to); err != nil {
		return errors.Join(err, db.Close())
	}
	return db.Close()
}

// Restore puts a backup in the place of a store that is not there yet or empty, and opens it: the way back after the store was
// lost. A backup of SQLite is restored into a directory; a dump, as PostgreSQL is backed up by, anywhere. The errors are those of
// Open and Load; ErrThere tells that there is a store, which is left as it is.
func Restore(ctx context.Context, o Options, backup string) (*Store, error) {
	database, err := isDatabase(backup)
	switch {
	case err != nil:
		return nil, fmt.Errorf("restore %s: %w", backup, err)
	case !database:
		return restoreDump(ctx, o, backup)
	case o.Dir == "":
		return nil, fmt.Errorf("restore %s: %w: it is a backup of SQLite: restore it into a directory, dump that store, and load the dump", backup, ErrInvalid)
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = restoreFile(ctx, dir, backup)
	}
	if err != nil {
		return nil, fmt.Errorf("restore %s into %s: %w", backup, o.Dir, named(&sqliteFile{}, classify(err)))
	}
	return Open(ctx, o)
}

// isDatabase says whether a file is one of SQLite (https://www.sqlite.org/fileformat.html, section 1.3).
func isDatabase(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }() // Only read from.
	magic := make([]byte, 16)
	n, err := io.ReadFull(file, magic)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return string(magic[:n]) == "SQLite format 3\x00", err
}

// restoreFile copies a backup to where the store is to be, after it was looked at.
func restoreFile(ctx context.Context, dir, backup string) error {
	ctx, cancel := deadline(ctx, bulkTimeout)
	defer cancel()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	path := filepath.Join(dir, File)
	for _, name := range []string{path, path + "-wal", path + "-shm"} { // A log of another database must not be taken for its own.
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%w: move %s and those that begin with its name aside", ErrThere, path), err)
		}
	}
	return writeNew(path, func(part *os.File) error {
		if err := fill(part, backup); err != nil {
			return err
		}
		files, err := steps("sqlite")
		if err != nil {
			return err
		}
		return inspect(ctx, part.Name(), defaultWait, files)
	})
}

func fill(part *os.File, from string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // Only read from.
	_, err = io.Copy(part, source)
	return err
}

// restoreDump opens a store and loads a dump into it.
func restoreDump(ctx context.Context, o Options, backup string) (*Store, error) {
	file, err := os.Open(backup)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	defer func() { _ = file.Close() }() // Only read from.
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.Load(ctx, file); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
