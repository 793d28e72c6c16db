package decisions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	// ofOneRequest bounds how many records of one request are told.
	ofOneRequest = 100
	// disorder is by how much records may be out of order: an Envoy tells of its own decisions when it likes.
	disorder = time.Minute
	// readAtOnce bounds how much of the journal one query reads.
	readAtOnce = 64 << 20
)

// Of returns what was decided about a request, by its id, in the order of time. It is empty where nothing is known.
func (j *Journal) Of(request string) ([]gateway.Decision, error) {
	if request == "" {
		return nil, nil
	}
	var found []gateway.Decision
	sum := hash(request)
	for _, r := range j.rows {
		names, active, err := j.look(r, sum)
		if err != nil {
			return nil, err
		}
		lines := active
		for _, name := range names {
			if len(lines) >= ofOneRequest {
				break
			}
			more, err := find(filepath.Join(r.dir, name), sum, request)
			if err != nil {
				return nil, err
			}
			lines = append(lines, more...)
		}
		for _, line := range lines {
			var d gateway.Decision
			if json.Unmarshal(line, &d) == nil && d.RequestID == request && len(found) < ofOneRequest {
				found = append(found, d)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b gateway.Decision) int { return a.Time.Compare(b.Time) })
	return found, nil
}

// look returns the segments that are not added to here, and the lines of the one that is.
func (j *Journal) look(r *row, request uint64) (names []string, active [][]byte, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shut {
		return nil, nil, errClosed
	}
	if names, err = r.segments(); err != nil || r.active == nil {
		return names, nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == r.active.name })
	for _, i := range r.active.index {
		if i.request == request {
			line, err := lineAt(r.active.path, int64(i.offset))
			if err != nil {
				return nil, nil, err
			}
			active = append(active, line)
		}
	}
	return names, active, nil
}

// Query selects decisions; an empty field selects all.
type Query struct {
	Since, Until            time.Time // From Since on, and before Until.
	API, Version, Operation string
	Result                  string
	Refused                 bool   // Only refusals.
	Consumer                string // Identity.Consumer.
	Limit                   int    // At most that many; 0: 1000.
	After                   Cursor // Where the page before ended; zero: with the newest.
}

// Cursor is where a page ended: for each kind of decisions, the segment and the place in it before which the next page begins.
type Cursor []Position

// Position is a place in the journal.
type Position struct {
	Segment string `json:"segment"`
	Offset  int    `json:"offset"`
}

// Page returns decisions, about the newest first, and where the next page begins: nil where there is none. As much is
// read at once as can be read in a moment, so a page may be short, or empty, and not be the last.
func (j *Journal) Page(q Query) (found []gateway.Decision, next Cursor, err error) {
	if q.Limit <= 0 {
		q.Limit = 1000
	}
	var rows []*backwards
	for i, r := range j.rows {
		if q.Refused && i != rowRefused || q.Result == gateway.ResultAllowed && i != rowOthers {
			continue
		}
		names, err := j.all(r)
		if err != nil {
			return nil, nil, err
		}
		b := &backwards{dir: r.dir, names: names, since: q.Since}
		if i < len(q.After) {
			b.from(q.After[i])
		}
		rows = append(rows, b)
	}
	read := 0
	for len(found) < q.Limit && read < readAtOnce {
		newest := newestOf(rows)
		if newest == nil {
			return found, nil, nil
		}
		d, size := newest.take()
		read += size
		if q.selects(&d) {
			found = append(found, d)
		}
	}
	return found, j.cursor(rows), nil
}

// all returns the names of all segments of a row, the newest first.
func (j *Journal) all(r *row) ([]string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shut {
		return nil, errClosed
	}
	return r.segments()
}

// cursor says where rows have come to.
func (j *Journal) cursor(rows []*backwards) Cursor {
	next := make(Cursor, len(j.rows))
	for _, b := range rows {
		i := slices.IndexFunc(j.rows[:], func(r *row) bool { return r.dir == b.dir })
		next[i] = b.position()
	}
	return next
}

func (q *Query) selects(d *gateway.Decision) bool {
	switch {
	case !q.Since.IsZero() && d.Time.Before(q.Since), !q.Until.IsZero() && !d.Time.Before(q.Until),
		q.API != "" && d.API != q.API, q.Version != "" && d.Version != q.Version, q.Operation != "" && d.Operation != q.Operation,
		q.Result != "" && d.Result != q.Result, q.Refused && !d.Refused(),
		q.Consumer != "" && (d.Identity == nil || d.Identity.Consumer != q.Consumer):
		return false
	}
	return true
}

// newestOf returns the row whose next decision is the newest; nil: there is none any more.
func newestOf(rows []*backwards) *backwards {
	var newest *backwards
	for _, b := range rows {
		if b.peek() && (newest == nil || cmp.Compare(b.next.Time.UnixNano(), newest.next.Time.UnixNano()) > 0) {
			newest = b
		}
	}
	return newest
}

// backwards reads the segments of a row from the newest decision on.
type backwards struct {
	dir   string
	names []string
	since time.Time

	text   []byte // What is left of the first of names; nil: not read yet.
	loaded bool
	next   *gateway.Decision
	size   int // Of next, and of what was passed over before it.
	done   bool
}

// from begins at a place where a page ended. A segment that was deleted meanwhile was older than all that are left.
func (b *backwards) from(p Position) {
	if p.Segment == "" {
		b.done = true
		return
	}
	at := slices.IndexFunc(b.names, func(name string) bool { return name <= p.Segment })
	if at < 0 {
		b.done = true
		return
	}
	b.names = b.names[at:]
	if b.names[0] == p.Segment {
		b.load()
		b.text = b.text[:min(max(p.Offset, 0), len(b.text))]
	}
}

// position says where the row has come to.
func (b *backwards) position() Position {
	if b.done || len(b.names) == 0 {
		return Position{}
	}
	offset := len(b.text)
	if b.next != nil {
		offset += b.size
	}
	if !b.loaded {
		offset = largestSegment * 2
	}
	return Position{Segment: b.names[0], Offset: offset}
}

// load reads the first of names, without half a line at its end.
func (b *backwards) load() {
	text, err := os.ReadFile(filepath.Join(b.dir, b.names[0]))
	if err != nil {
		text = nil // It was deleted meanwhile.
	}
	b.text, b.loaded = text[:bytes.LastIndexByte(text, '\n')+1], true
}

// peek makes next the next decision, and reports whether there is one.
func (b *backwards) peek() bool {
	for b.next == nil && !b.done && len(b.names) > 0 {
		if !b.loaded {
			b.load()
		}
		if len(b.text) == 0 {
			b.names, b.loaded, b.text = b.names[1:], false, nil
			continue
		}
		begin := bytes.LastIndexByte(b.text[:len(b.text)-1], '\n') + 1
		line := b.text[begin:]
		b.text = b.text[:begin]
		var d gateway.Decision
		if json.Unmarshal(line, &d) != nil {
			continue // Damaged: what is around it counts.
		}
		if !b.since.IsZero() && d.Time.Before(b.since.Add(-disorder)) {
			b.done = true
			return false
		}
		b.next, b.size = &d, len(line)
	}
	return b.next != nil
}

// take returns the decision that peek found, and how many bytes it takes.
func (b *backwards) take() (gateway.Decision, int) {
	d := *b.next
	b.next = nil
	return d, b.size
}
