package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a copy of the store, of one moment, to a file that must not exist yet, with mode 0600, while the store is
// used on. The copy is complete or not there. It holds what the store holds: private keys too, sealed if they are.
func (s *Store) Backup(ctx context.Context, path string) error {
	ctx, cancel := deadline(ctx, openTimeout)
	defer cancel()
	err := ErrClosed
	if !s.db.closed.Load() {
		err = copyTo(ctx, s.path, path)
	}
	if err != nil {
		return fmt.Errorf("back up the store to %s: %w", path, named(s.db.dialect, classify(err)))
	}
	return nil
}

// copyTo writes all that is stored in one file, without what was deleted, into another that must not be there yet.
func copyTo(ctx context.Context, path, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%w: something is there already", ErrConflict), err)
	}
	part, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".part-*") // With mode 0600.
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // Where it was not linked, it is of no use.
	if err := errors.Join(vacuum(ctx, path, part.Name()), part.Sync(), part.Close()); err != nil {
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
