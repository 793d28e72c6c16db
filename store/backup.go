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
	if err := s.backup(ctx, path); err != nil {
		return fmt.Errorf("back up the store to %s: %w", path, explain(err))
	}
	return nil
}

func (s *Store) backup(ctx context.Context, path string) error {
	if s.db.closed.Load() {
		return ErrClosed
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%w: something is there already", ErrConflict), err)
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*") // With mode 0600.
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // Where it was not linked, it is of no use.
	if err := errors.Join(s.copyTo(ctx, part.Name()), part.Sync(), part.Close()); err != nil {
		return err
	}
	if err := os.Link(part.Name(), path); err != nil { // Unlike a rename it replaces nothing.
		return err
	}
	return syncDir(filepath.Dir(path))
}

// copyTo writes all that is stored into an empty file, without what was deleted.
func (s *Store) copyTo(ctx context.Context, path string) error {
	db, err := connect(s.path, copying, s.db.timeout)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO $1", path); err != nil {
		return errors.Join(classify(err), db.Close())
	}
	return db.Close()
}
