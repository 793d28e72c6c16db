package store

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"slices"
)

// addContent stores every file of a configuration, unless it is there already: an id stands for one content. A file that
// another content has too is stored once for both.
func addContent(ctx context.Context, tx *sql.Tx, id string, files map[string][]byte, now int64) error {
	added, err := exec(ctx, tx, "INSERT INTO contents (id, created) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", id, now)
	if err != nil || added == 0 {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%w: content %s is not known, and has no files", ErrInvalid, id)
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := addFile(ctx, tx, id, path, files[path]); err != nil {
			return fmt.Errorf("file %q: %w", path, err)
		}
	}
	return nil
}

func addFile(ctx context.Context, tx *sql.Tx, content, path string, data []byte) error {
	hash := sha256.Sum256(data)
	var known int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM files WHERE hash = $1", hash[:]).Scan(&known); err != nil {
		return err
	}
	if known == 0 {
		packed, err := pack(data)
		if err != nil {
			return err
		}
		if _, err := exec(ctx, tx, "INSERT INTO files (hash, size, packed) VALUES ($1, $2, $3)", hash[:], len(data), packed); err != nil {
			return err
		}
	}
	_, err := exec(ctx, tx, "INSERT INTO content_files (content, path, file) VALUES ($1, $2, $3)", content, path, hash[:])
	return err
}

// packedFile is a file as it is stored.
type packedFile struct {
	path   string
	hash   []byte
	size   int64
	packed []byte
}

func scanFile(scan func(...any) error) (f packedFile, err error) {
	return f, scan(&f.path, &f.hash, &f.size, &f.packed)
}

func readContent(ctx context.Context, q querier, id string) (map[string][]byte, error) {
	found, err := collect(ctx, q, scanFile, `SELECT c.path, f.hash, f.size, f.packed
		FROM content_files c JOIN files f ON f.hash = c.file WHERE c.content = $1`, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	files := make(map[string][]byte, len(found))
	for _, f := range found {
		data, err := f.unpack()
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", f.path, err)
		}
		files[f.path] = data
	}
	return files, nil
}

func pack(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// unpack returns the file as it was, or ErrCorrupt: what comes back is what went in, or nothing.
func (f packedFile) unpack() ([]byte, error) {
	data := make([]byte, f.size)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(f.packed)), data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if hash := sha256.Sum256(data); !bytes.Equal(hash[:], f.hash) {
		return nil, fmt.Errorf("%w: its content is not what was stored", ErrCorrupt)
	}
	return data, nil
}
