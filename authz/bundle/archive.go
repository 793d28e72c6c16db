package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// maxFiles bounds how many files an archive may hold.
const maxFiles = 100_000

// inspect looks through an archive before any of it is kept: a few bytes can unpack to any size. Nothing in it is ever
// written to a disk, but a name that leads upwards is the mark of an archive that was made to harm.
func inspect(archive []byte, limit int64) error {
	if int64(len(archive)) > limit {
		return fmt.Errorf("the bundle has %d bytes, of at most %d: %w", len(archive), limit, ErrSize)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return fmt.Errorf("the bundle is no gzip: %w", err)
	}
	bounded := &bounded{from: unzipped, left: limit}
	files := tar.NewReader(bounded)
	for count := 0; ; count++ {
		header, err := files.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrSize):
			return fmt.Errorf("the bundle unpacks to more than %d bytes: %w", limit, ErrSize)
		case err != nil:
			return fmt.Errorf("the bundle is no tar: %w", err)
		case count >= maxFiles:
			return fmt.Errorf("the bundle holds more than %d files: %w", maxFiles, ErrSize)
		}
		if err := checkName(header.Name); err != nil {
			return err
		}
	}
}

// checkName refuses a name that leads out of the archive.
func checkName(name string) error {
	if strings.ContainsAny(name, "\x00\\") || slices.Contains(strings.Split(name, "/"), "..") {
		return fmt.Errorf("the bundle holds a file named %q, which leads out of it", path.Clean(strings.ToValidUTF8(name, "?")))
	}
	return nil
}

// bounded reads at most so many bytes, and fails beyond them.
type bounded struct {
	from io.Reader
	left int64
}

// Read reads on, or returns ErrSize.
func (b *bounded) Read(into []byte) (int, error) {
	if b.left <= 0 {
		var one [1]byte
		if n, err := b.from.Read(one[:]); n == 0 && err != nil {
			return 0, err
		}
		return 0, ErrSize
	}
	n, err := b.from.Read(into[:min(int64(len(into)), b.left)])
	b.left -= int64(n)
	return n, err
}
