package decisions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// journalBytes is how much the journal may take where nobody says.
	journalBytes = 256 << 20
	// smallestSegment and largestSegment bound the files of the journal, of which there are about 32 for each kind.
	smallestSegment = 64 << 10
	largestSegment  = 8 << 20
	segmentsOfRow   = 32
)

// Journal keeps decisions on disk for a while: in files that are deleted, the oldest first, before they take more than they
// may. Refusals and the rest are kept apart, half the room for each, so that much that is allowed does not drive out what is asked
// for most. What a crash leaves half written is passed over. Several processes may have one directory, as one that hands over to its
// successor: each adds to files of its own, and reads those of all. Its methods may be called by any number of goroutines.
type Journal struct {
	now  func() time.Time
	mu   sync.Mutex // Guards what follows, and is held while a batch is written.
	rows [2]*row
	shut bool
}

// The rows of a journal.
const (
	rowRefused = iota
	rowOthers
)

// row is the decisions of one kind.
type row struct {
	dir     string
	bytes   int64 // Of all segments.
	segment int64 // Of one.
	active  *segment
	text    []byte // Of the batch at hand.
	marks   []mark
}

// OpenJournal opens the journal in a directory, which is made where it is missing; bytes bounds it (0: 256 MiB). Nothing of what is
// there is read yet.
func OpenJournal(dir string, bytes int64, now func() time.Time) (*Journal, error) {
	if bytes == 0 {
		bytes = journalBytes
	}
	j := &Journal{now: now}
	for i, name := range []string{rowRefused: "refused", rowOthers: "others"} {
		r := &row{dir: filepath.Join(dir, name), bytes: bytes / 2}
		r.segment = min(max(r.bytes/segmentsOfRow, smallestSegment), largestSegment)
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			return nil, fmt.Errorf("open the decision journal: %w", err)
		}
		if err := r.prune(); err != nil {
			return nil, err
		}
		j.rows[i] = r
	}
	return j, nil
}

// write adds the decisions of a batch. Of what cannot be written nothing stays.
func (j *Journal) write(b batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shut {
		return errClosed
	}
	for _, r := range j.rows {
		r.text, r.marks = r.text[:0], r.marks[:0]
	}
	begin := 0
	for _, m := range b.marks {
		r := j.rows[rowOthers]
		if m.refused {
			r = j.rows[rowRefused]
		}
		r.text = append(r.text, b.text[begin:m.end]...)
		begin, m.end = m.end, len(r.text)
		r.marks = append(r.marks, m)
	}
	var failed error
	for _, r := range j.rows {
		if len(r.text) > 0 {
			failed = errors.Join(failed, r.write(j.now()))
		}
	}
	return failed
}

func (r *row) write(now time.Time) error {
	if r.active != nil && r.active.length > 0 && r.active.length+int64(len(r.text)) > r.segment {
		err := r.active.seal()
		r.active = nil
		if err = errors.Join(err, r.prune()); err != nil {
			return err
		}
	}
	if r.active == nil {
		s, err := newSegment(r.dir, now)
		if err != nil {
			return err
		}
		r.active = s
	}
	return r.active.add(r.text, r.marks)
}

// prune deletes the oldest segments, so that the rest and a further one take no more than they may.
func (r *row) prune() error {
	names, err := r.segments()
	if err != nil {
		return err
	}
	left := r.bytes - r.segment
	for _, name := range names { // The newest first.
		for _, path := range []string{filepath.Join(r.dir, name), filepath.Join(r.dir, indexOf(name))} {
			info, err := os.Stat(path)
			if err != nil {
				continue // It has no index, or another process was faster.
			}
			if left -= info.Size(); left >= 0 {
				continue
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("delete old decisions: %w", err)
			}
		}
	}
	return nil
}

// segments returns the names of the segments on disk, the newest first.
func (r *row) segments() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("look into the decision journal: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentEnd) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// Close ends the journal. What is in it stays.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shut = true
	var failed error
	for _, r := range j.rows {
		if r.active != nil {
			failed = errors.Join(failed, r.active.seal())
			r.active = nil
		}
	}
	return failed
}
