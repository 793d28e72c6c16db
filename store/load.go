package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxLine bounds a line of a dump, in bytes: the largest file of a content, in base64, and its row.
const maxLine = 48 << 20

// Load fills an empty store with a dump, of this or another database and of this or an older version: all of it, or nothing
// where an error is returned. The errors are ErrThere where the store is not empty, ErrNewer, and ErrCorrupt where the dump is
// not whole or not what was written.
func (s *Store) Load(ctx context.Context, from io.Reader) error {
	if err := s.db.answers(ctx, "load a dump into the store"); err != nil {
		return err
	}
	ctx, cancel := deadline(ctx, bulkTimeout)
	defer cancel()
	return s.db.change(ctx, "load a dump into the store", func(ctx context.Context, tx *transaction) error {
		if s.db.tx != nil {
			return fmt.Errorf("%w: it is being changed", ErrInvalid)
		}
		tx.notices = []Notice{{}}
		if err := s.db.dialect.patient(ctx, tx.Tx); err != nil {
			return err
		}
		if err := isEmpty(ctx, tx); err != nil {
			return err
		}
		known, err := applied(ctx, tx)
		if err != nil {
			return err
		}
		l := &loader{d: s.db, tx: tx, known: known}
		if err := l.all(ctx, from); err != nil {
			return err
		}
		return verify(ctx, tx)
	})
}

// isEmpty returns ErrThere where a table has a row.
func isEmpty(ctx context.Context, q querier) error {
	for _, t := range dumped() {
		var rows int
		if err := q.QueryRowContext(ctx, "SELECT count(*) FROM "+t.name).Scan(&rows); err != nil {
			return err
		}
		if rows > 0 {
			return fmt.Errorf("%w: the store is not empty, it has %d rows in %s", ErrThere, rows, t.name)
		}
	}
	return nil
}

// loader puts the lines of a dump into a store.
type loader struct {
	d     *database
	tx    *transaction
	known int64 // The schema of the store.
	rows  int64
	table string
	kinds []kind // Of the table's columns in the dump, in their order.
	write string // What writes a row of it.
}

func (l *loader) all(ctx context.Context, from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	sum := sha256.New()
	for number := 1; lines.Scan(); number++ {
		line := lines.Bytes()
		if bytes.HasPrefix(line, []byte(`{"end"`)) {
			return l.end(line, hex.EncodeToString(sum.Sum(nil)), lines)
		}
		sum.Write(line)
		sum.Write([]byte{'\n'})
		if err := l.line(ctx, number, line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("%w: the dump ends too early", ErrCorrupt)
}

// line takes one line. A row's bytes are used no more when it returns.
func (l *loader) line(ctx context.Context, number int, line []byte) error {
	if number == 1 {
		return l.head(line)
	}
	var both struct {
		dumpTable
		dumpRow
	}
	if err := strict(line, &both); err != nil {
		return err
	}
	if both.Table != "" {
		return l.begin(ctx, both.dumpTable)
	}
	return l.row(ctx, both.Row)
}

// strict reads one JSON object and refuses fields that are not known.
func strict(line []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

func (l *loader) head(line []byte) error {
	var head dumpHead
	if err := json.Unmarshal(line, &head); err != nil || head.Format != dumpFormat {
		return fmt.Errorf("%w: this is no dump of a store", ErrForeign)
	}
	if head.Schema > l.known {
		return fmt.Errorf("%w: its schema is %d, this version knows %d", ErrNewer, head.Schema, l.known)
	}
	return nil
}

// begin makes ready for the rows of a table.
func (l *loader) begin(ctx context.Context, t dumpTable) error {
	at := slices.IndexFunc(dumped(), func(known table) bool { return known.name == t.Table })
	if at < 0 {
		return fmt.Errorf("%w: there is no table %q", ErrCorrupt, t.Table)
	}
	_, kinds, err := columns(ctx, l.tx, t.Table)
	if err != nil {
		return err
	}
	l.table, l.kinds = t.Table, nil
	for _, name := range t.Columns {
		k, known := kinds[name]
		if !known {
			return fmt.Errorf("%w: table %s has no column %q", ErrCorrupt, t.Table, name)
		}
		l.kinds = append(l.kinds, k)
	}
	l.write = "INSERT INTO " + t.Table + " (" + strings.Join(t.Columns, ", ") + ") VALUES " + placeholders(1, len(t.Columns))
	if count := dumped()[at].count; count != "" && t.Count > 0 {
		return l.d.dialect.count(ctx, l.tx.Tx, count, t.Count)
	}
	return nil
}

func (l *loader) row(ctx context.Context, row []json.RawMessage) error {
	if l.table == "" || len(row) != len(l.kinds) {
		return fmt.Errorf("%w: a row of %d values, and there are %d columns", ErrCorrupt, len(row), len(l.kinds))
	}
	values := make([]any, len(row))
	for i, value := range row {
		var err error
		if values[i], err = inward(l.kinds[i], value); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	l.rows++
	if _, err := exec(ctx, l.tx, l.write, values...); err != nil {
		return fmt.Errorf("table %s: %w", l.table, err)
	}
	return nil
}

func (l *loader) end(line []byte, sum string, rest *bufio.Scanner) error {
	var end dumpEnd
	if err := strict(line, &end); err != nil {
		return err
	}
	if end.End == nil || end.End.Rows != l.rows || end.End.SHA256 != sum || rest.Scan() {
		return fmt.Errorf("%w: the dump is not what was written", ErrCorrupt)
	}
	return errors.Join(rest.Err())
}
