package memory

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A store outlives its process in a file: a line that says what it is, pieces as in format.go with the length of each before
// it, length 0, and the SHA-256 of all that. It holds hashes of keys and numbers, no key.

const (
	fileHead = "gatehouse buckets 1\n"
	// DefaultFileBytes bounds the file where nothing else is said: four times what a full store takes whose buckets were spent
	// from once.
	DefaultFileBytes = 64 << 20
	// atOnce is how many buckets are written while their shard is locked.
	atOnce = 256
)

// Saved says what Save did.
type Saved struct {
	Unchanged bool // Nothing was spent since the last time, and nothing was written.
	Buckets   int
	Bytes     int64
	LeftOut   int // Buckets for which the file has no room: of those that were asked for only once, if any are.
}

// Save writes what is spent to a file, for Load in another process. The file is replaced at once and whole, or stays as it was.
// Spend goes on meanwhile. most bounds the bytes of the file; 0: DefaultFileBytes. After Seal nothing is written, as another
// process has the buckets. Only one Save may be under way.
func (s *Store) Save(path string, most int64) (Saved, error) {
	if most <= 0 {
		most = DefaultFileBytes
	}
	if !s.touched() {
		return Saved{Unchanged: true}, nil
	}
	saved, err := s.replace(path, most)
	if err != nil {
		s.unsaved = true
		return Saved{}, fmt.Errorf("save buckets: %w", err)
	}
	return saved, nil
}

func (s *Store) replace(path string, most int64) (Saved, error) {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return Saved{}, err
	}
	saved, err := s.write(file, most)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return Saved{}, errors.Join(err, os.Remove(path+".new"))
	}
	if err := os.Rename(path+".new", path); err != nil {
		return Saved{}, err
	}
	folder, err := os.Open(filepath.Dir(path)) // That the new name is there is only certain once the folder is written.
	if err != nil {
		return Saved{}, err
	}
	return saved, errors.Join(folder.Sync(), folder.Close())
}

// touched says whether something has changed since it was last asked, and is this store's to save.
func (s *Store) touched() bool {
	touched := s.unsaved
	s.unsaved = false
	for i := range s.shards {
		shard := &s.shards[i]
		shard.Lock()
		sealed := s.sealed
		touched = touched || shard.touched
		shard.touched = false
		shard.Unlock()
		if sealed {
			return false
		}
	}
	return touched
}

// write writes first the buckets that were asked for again, and then the others while there is room.
func (s *Store) write(to io.Writer, most int64) (Saved, error) {
	buffered := bufio.NewWriterSize(to, 1<<16)
	out := &filing{to: buffered, sum: sha256.New(), most: most - sha256.Size - 1}
	_, failed := io.WriteString(out, fileHead)
	s.saves++
	for _, all := range []bool{false, true} {
		for i := range s.shards {
			failed = errors.Join(failed, s.writeShard(out, &s.shards[i], all))
			if failed != nil {
				return Saved{}, failed
			}
		}
	}
	failed = out.piece(nil)
	out.saved.Bytes = out.bytes + sha256.Size
	_, err := buffered.Write(out.sum.Sum(nil))
	return out.saved, errors.Join(failed, err, buffered.Flush())
}

// writeShard writes the buckets of a shard that this Save has not written yet, some at once. It goes from the last to the
// first: where one takes the place of another meanwhile it is met again, and none is passed over.
func (s *Store) writeShard(out *filing, shard *shard, all bool) error {
	var room []byte
	for end, size := shard.size(), 0; end > 0; end -= atOnce {
		w := writer{part: room[:0]}
		shard.Lock()
		w.now = s.now()
		some := shard.order[min(max(end-atOnce, 0), len(shard.order)):min(end, len(shard.order))]
		for _, b := range some {
			if b.saved != s.saves && (all || b.again) && !b.gone(w.now) {
				b.saved = s.saves
				w.add(b)
				size++
			}
		}
		shard.Unlock()
		for _, piece := range w.pieces() {
			if out.bytes+int64(len(piece)) > out.most {
				out.saved.LeftOut += size
			} else if err := out.piece(piece); err != nil {
				return err
			} else {
				out.saved.Buckets += size
			}
			room, size = piece, 0
		}
	}
	return nil
}

// summer is what hash.Hash has that is needed here.
type summer interface {
	io.Writer
	Sum([]byte) []byte
}

// filing passes on what is written, and sums it up.
type filing struct {
	to    io.Writer
	sum   summer
	most  int64
	bytes int64
	saved Saved
}

// Write writes a part of the file.
func (f *filing) Write(p []byte) (int, error) {
	n, err := f.to.Write(p)
	f.bytes += int64(n)
	if err != nil {
		return n, err
	}
	return f.sum.Write(p)
}

// piece writes a piece, or the end of all pieces.
func (f *filing) piece(piece []byte) error {
	var size [binary.MaxVarintLen64]byte
	if _, err := f.Write(size[:binary.PutUvarint(size[:], uint64(len(piece)))]); err != nil {
		return err
	}
	_, err := f.Write(piece)
	return err
}
