package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Directory is a bundle that lies unpacked in a directory, or an archive in a file.
type Directory struct {
	Path  string
	Limit int64 // In bytes; 0: DefaultLimit.
}

// Fetch packs what belongs to a bundle: the manifest, the signatures, Rego, and data.json and data.yaml.
func (d Directory) Fetch(ctx context.Context, etag string) (Fetched, error) {
	info, err := os.Stat(d.Path)
	if err != nil {
		return Fetched{}, fmt.Errorf("read the bundle: %w", err)
	}
	if !info.IsDir() {
		return File(d).Fetch(ctx, etag)
	}
	if err := measure(d.Path, Options{Limit: d.Limit}.limit()); err != nil {
		return Fetched{}, err
	}
	archive, err := pack(d.Path)
	if err != nil {
		return Fetched{}, fmt.Errorf("read the bundle: %w", err)
	}
	sum := sha256.Sum256(archive)
	now := hex.EncodeToString(sum[:])
	return Fetched{Archive: archive, ETag: now, Unchanged: now == etag}, nil
}

// pack makes an archive of a directory; of the same files always the same.
func pack(dir string) ([]byte, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	files := tar.NewWriter(zip)
	err := filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if at != dir && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !belongs(entry.Name()) {
			return nil
		}
		text, err := os.ReadFile(at) //nolint:gosec // The files of a directory that the platform names.
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: "/" + filepath.ToSlash(name), Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if err := files.WriteHeader(header); err != nil {
			return err
		}
		_, err = files.Write(text)
		return err
	})
	if err := errors.Join(err, files.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// belongs reports whether a file is part of a bundle.
func belongs(name string) bool {
	switch name {
	case ".manifest", ".signatures.json", "data.json", "data.yaml", "data.yml":
		return true
	}
	return strings.HasSuffix(name, ".rego") && !strings.HasPrefix(name, ".")
}
