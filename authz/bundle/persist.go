package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PersistPath returns the file of a bundle below a directory, where OPA has it too. A name cannot lead out of the directory.
func PersistPath(dir, name string) string {
	safe := strings.Map(func(r rune) rune {
		if r == os.PathSeparator || r == 0 {
			return '_'
		}
		return r
	}, name)
	if safe == "." || safe == ".." {
		safe = "_" + safe
	}
	return filepath.Join(dir, "bundles", safe, "bundle.tar.gz")
}

// write puts a file in the place of another, whole or not at all.
func write(at string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return fmt.Errorf("persist the bundle: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(at), ".bundle-*")
	if err != nil {
		return fmt.Errorf("persist the bundle: %w", err)
	}
	_, err = temporary.Write(text)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), at)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("persist the bundle: %w", err), os.Remove(temporary.Name()))
	}
	return nil
}
