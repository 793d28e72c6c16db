package memory

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// ErrFile tells that a file of buckets is broken, or something else. Nothing was taken from it unless its checksum is right.
var ErrFile = errors.New("no file of buckets that can be trusted")

// pieceMost is more than a piece ever has.
const pieceMost = 2 * chunkSize

// Load takes over what Save has written, and returns how old that is; false where there is no file. Meanwhile time has passed
// by the clock on the wall; where that was set back, none has. Buckets that are here already stay as they are. ErrFile tells that
// the file is not to be trusted.
func (s *Store) Load(path string) (age time.Duration, found bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("load buckets: %w", err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	// Twice: nothing is believed before the sum is right.
	if err := check(file); err != nil {
		return 0, false, fmt.Errorf("load buckets: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, false, fmt.Errorf("load buckets: %w", err)
	}
	if age, err = s.load(file); err != nil {
		return 0, false, fmt.Errorf("load buckets: %w", err)
	}
	return age, true, nil
}

// check holds a file against its sum.
func check(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() < int64(len(fileHead)+1+sha256.Size) {
		return fmt.Errorf("%w: it is too short", ErrFile)
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, file, info.Size()-sha256.Size); err != nil {
		return err
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(file, want[:]); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), want[:]) {
		return fmt.Errorf("%w: its checksum is wrong", ErrFile)
	}
	return nil
}

// load reads a file whose sum is right.
func (s *Store) load(file io.Reader) (age time.Duration, err error) {
	in := bufio.NewReaderSize(file, 1<<16)
	var head [len(fileHead)]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, err
	}
	if string(head[:]) != fileHead {
		return 0, fmt.Errorf("%w: it does not begin like one of this version", ErrFile)
	}
	var piece []byte
	for {
		size, err := binary.ReadUvarint(in)
		if err != nil {
			return 0, err
		}
		if size == 0 {
			return age, nil
		}
		if size > pieceMost {
			return 0, fmt.Errorf("%w: a piece has %d bytes", ErrFile, size)
		}
		piece = append(piece[:0], make([]byte, size)...)
		if _, err := io.ReadFull(in, piece); err != nil {
			return 0, err
		}
		var old time.Duration
		if old, err = s.read(piece, true); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrFile, err)
		}
		age = max(age, old)
	}
}
