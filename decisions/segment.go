package decisions

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Ends of the names of a segment, which holds decisions as JSON lines, and of its index.
const (
	segmentEnd = ".jsonl"
	indexEnd   = ".index"
)

func indexOf(segment string) string { return strings.TrimSuffix(segment, segmentEnd) + indexEnd }

// segment is the file that is added to.
type segment struct {
	name   string
	path   string
	file   *os.File
	length int64
	index  []indexed
}

// indexed says where a line begins, by the hash of its request's id.
type indexed struct {
	request uint64
	offset  uint32
}

// indexedBytes is how long one is in a file: both numbers, most significant byte first.
const indexedBytes = 12

// newSegment makes one, named by the time, so that the names sort, and by chance, so that no other process has it.
func newSegment(dir string, now time.Time) (*segment, error) {
	name := fmt.Sprintf("%020d-%s%s", now.UnixNano(), rand.Text()[:8], segmentEnd)
	s := &segment{name: name, path: filepath.Join(dir, name)}
	file, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin a segment of the decision journal: %w", err)
	}
	s.file = file
	return s, nil
}

// add appends lines, all or none of them.
func (s *segment) add(lines []byte, marks []mark) error {
	if _, err := s.file.WriteAt(lines, s.length); err != nil {
		_ = s.file.Truncate(s.length) // What is left of half a line is passed over by who reads, and written over by who writes.
		return fmt.Errorf("write the decision journal: %w", err)
	}
	begin := 0
	for _, m := range marks {
		s.index = append(s.index, indexed{m.request, uint32(s.length + int64(begin))}) //nolint:gosec // A segment is smaller than 4 GiB.
		begin = m.end
	}
	s.length += int64(len(lines))
	return nil
}

// seal ends the segment and writes its index. Without one it is read whole by who looks for something.
func (s *segment) seal() error {
	closed := s.file.Close()
	sorted := slices.Clone(s.index)
	slices.SortFunc(sorted, func(a, b indexed) int {
		return cmp.Or(cmp.Compare(a.request, b.request), cmp.Compare(a.offset, b.offset))
	})
	out := make([]byte, 0, len(sorted)*indexedBytes)
	for _, i := range sorted {
		out = binary.BigEndian.AppendUint64(out, i.request)
		out = binary.BigEndian.AppendUint32(out, i.offset)
	}
	target := filepath.Join(filepath.Dir(s.path), indexOf(s.name))
	err := os.WriteFile(target+".new", out, 0o600)
	if err == nil {
		err = os.Rename(target+".new", target)
	}
	if err != nil {
		_ = os.Remove(target + ".new") // Half an index may not even fit.
		err = fmt.Errorf("write an index of the decision journal: %w", err)
	}
	return errors.Join(closed, err)
}

// find returns the lines of a segment on disk whose request has a hash: by its index, or by reading all of it where it has none.
// A segment that is gone has none.
func find(path string, request uint64, id string) ([][]byte, error) {
	index, err := os.Open(strings.TrimSuffix(path, segmentEnd) + indexEnd)
	if errors.Is(err, os.ErrNotExist) {
		return search(path, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read the decision journal: %w", err)
	}
	defer func() { _ = index.Close() }() // Only read from.
	info, err := index.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the decision journal: %w", err)
	}
	var entry [indexedBytes]byte
	at := func(i int) (indexed, bool) {
		if _, err := index.ReadAt(entry[:], int64(i)*indexedBytes); err != nil {
			return indexed{}, false
		}
		return indexed{binary.BigEndian.Uint64(entry[:]), binary.BigEndian.Uint32(entry[8:])}, true
	}
	count := int(info.Size() / indexedBytes)
	low, high := 0, count
	for low < high {
		middle := (low + high) / 2
		if e, ok := at(middle); ok && e.request < request {
			low = middle + 1
		} else {
			high = middle
		}
	}
	var lines [][]byte
	for ; low < count; low++ {
		e, ok := at(low)
		if !ok || e.request != request {
			break
		}
		line, err := lineAt(path, int64(e.offset))
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// search reads a segment for lines that hold an id.
func search(path, id string) ([][]byte, error) {
	all, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the decision journal: %w", err)
	}
	var lines [][]byte
	for line := range bytes.Lines(all) {
		if bytes.Contains(line, []byte(id)) {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// lineAt reads the line that begins at a place.
func lineAt(path string, offset int64) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the decision journal: %w", err)
	}
	defer func() { _ = file.Close() }() // Only read from.
	for size := int64(4 << 10); ; size *= 8 {
		text := make([]byte, size)
		n, err := file.ReadAt(text, offset)
		if end := bytes.IndexByte(text[:n], '\n'); end >= 0 {
			return text[:end], nil
		}
		if errors.Is(err, io.EOF) || size > largestSegment {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the decision journal: %w", err)
		}
	}
}
