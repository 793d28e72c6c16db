package store

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxFile is how many bytes a file has at most.
const maxFile = 16 << 20

// addContent stores every file of a configuration, unless it is there already: an id stands for one content. A file that
// another content has too is stored once for both.
func addContent(ctx context.Context, tx *transaction, id string, files map[string][]byte, now int64) error {
	hashes := make(map[string][]byte, len(files))
	for path, data := range files {
		if len(data) > maxFile {
			return fmt.Errorf("%w: file %q has %d bytes, and %d are allowed", ErrInvalid, path, len(data), maxFile)
		}
		hash := sha256.Sum256(data)
		hashes[path] = hash[:]
	}
	added, err := exec(ctx, tx, "INSERT INTO contents (id, created, hash) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING", id, now, hashAll(hashes))
	if err != nil || added == 0 {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%w: content %s is not known, and has no files", ErrInvalid, id)
	}
	var packer packer
	for paths := range slices.Chunk(slices.Sorted(maps.Keys(files)), filesAtOnce) {
		if err := addFiles(ctx, tx, &packer, id, paths, hashes, files); err != nil {
			return err
		}
	}
	return nil
}

// filesAtOnce is how many files one statement names.
const filesAtOnce = 500

// hashAll hashes paths and the hashes of their files. A path is of any length and bytes, so each is preceded by its length.
func hashAll(hashes map[string][]byte) []byte {
	all := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(hashes)) {
		all.Write(binary.BigEndian.AppendUint64(nil, uint64(len(path))))
		all.Write([]byte(path))
		all.Write(hashes[path])
	}
	return all.Sum(nil)
}

// addFiles stores those of some files that are not there, and which content they belong to.
func addFiles(ctx context.Context, tx *transaction, packer *packer, content string, paths []string, hashes, files map[string][]byte) error {
	wanted := make([]any, len(paths))
	rows, args := make([]string, len(paths)), make([]any, 0, 3*len(paths))
	for i, path := range paths {
		wanted[i] = hashes[path]
		rows[i] = placeholders(3*i+1, 3)
		args = append(args, content, path, hashes[path])
	}
	found, err := collect(ctx, tx, func(scan func(...any) error) (hash []byte, err error) { return hash, scan(&hash) },
		"SELECT hash FROM files WHERE hash IN "+placeholders(1, len(wanted)), wanted...)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, hash := range found {
		known[string(hash)] = true
	}
	for _, path := range paths {
		if hash := hashes[path]; !known[string(hash)] {
			known[string(hash)] = true // Two paths may have the same file.
			if err := addFile(ctx, tx, packer, hash, files[path]); err != nil {
				return fmt.Errorf("file %q: %w", path, err)
			}
		}
	}
	_, err = exec(ctx, tx, "INSERT INTO content_files (content, path, file) VALUES "+strings.Join(rows, ", "), args...)
	return err
}

func addFile(ctx context.Context, tx *transaction, packer *packer, hash, data []byte) error {
	packed, err := packer.pack(data)
	if err == nil {
		_, err = exec(ctx, tx, "INSERT INTO files (hash, size, packed) VALUES ($1, $2, $3)", hash, len(data), packed)
	}
	return err
}

// packedFile is a file as it is stored, and the hash over all files of its content.
type packedFile struct {
	path   string
	hash   []byte
	size   int64
	packed []byte
	all    []byte
}

func scanFile(scan func(...any) error) (f packedFile, err error) {
	return f, scan(&f.path, &f.hash, &f.size, &f.packed, &f.all)
}

// readContent returns the files of a content as they were stored, or ErrCorrupt: their hashes, and the hash over these, are
// what they were. It is one query, as the content may be pruned meanwhile.
func readContent(ctx context.Context, q querier, id string) (map[string][]byte, error) {
	found, err := collect(ctx, q, scanFile, `SELECT p.path, f.hash, f.size, f.packed, c.hash FROM contents c
		JOIN content_files p ON p.content = c.id JOIN files f ON f.hash = p.file WHERE c.id = $1`, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound // No content is without files.
	}
	files, hashes := make(map[string][]byte, len(found)), make(map[string][]byte, len(found))
	for _, f := range found {
		data, err := f.unpack()
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", f.path, err)
		}
		files[f.path], hashes[f.path] = data, f.hash
	}
	if !bytes.Equal(found[0].all, hashAll(hashes)) {
		return nil, fmt.Errorf("%w: its files are not those that were stored", ErrCorrupt)
	}
	return files, nil
}

// packer deflates one file after the other. What it works with is a megabyte, so it is made once for all of a content.
type packer struct {
	out bytes.Buffer
	w   *flate.Writer
}

// pack returns a file deflated; what it returned before is overwritten.
func (p *packer) pack(data []byte) (packed []byte, err error) {
	p.out.Reset()
	if p.w == nil {
		p.w, err = flate.NewWriter(&p.out, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
	} else {
		p.w.Reset(&p.out)
	}
	if _, err := p.w.Write(data); err != nil {
		return nil, err
	}
	if err := p.w.Close(); err != nil {
		return nil, err
	}
	return p.out.Bytes(), nil
}

// unpack returns the file as it was, or ErrCorrupt.
func (f packedFile) unpack() ([]byte, error) {
	if f.size < 0 || f.size > maxFile {
		return nil, fmt.Errorf("%w: its size is %d", ErrCorrupt, f.size)
	}
	data := make([]byte, f.size)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(f.packed)), data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if hash := sha256.Sum256(data); !bytes.Equal(hash[:], f.hash) {
		return nil, fmt.Errorf("%w: its content is not what was stored", ErrCorrupt)
	}
	return data, nil
}
