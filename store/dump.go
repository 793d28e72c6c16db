package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// dumpFormat is what the first line of a dump says it is.
const dumpFormat = "gatehouse store"

// bulkTimeout bounds a dump and what reads one, where the context has no deadline.
const bulkTimeout = time.Hour

// The lines of a dump, each one JSON object.
type (
	// dumpHead is the first line.
	dumpHead struct {
		Format string `json:"format"`
		Schema int64  `json:"schema"` // The number of the last migration.
	}
	// dumpTable begins a table; its rows follow.
	dumpTable struct {
		Table   string   `json:"table"`
		Columns []string `json:"columns"`
		Count   int64    `json:"count,omitempty"` // How far its numbers were given.
	}
	// dumpRow is one row: its values in the order of the columns.
	dumpRow struct {
		Row []json.RawMessage `json:"row"`
	}
	// dumpEnd is the last line.
	dumpEnd struct {
		End *dumpSum `json:"end"`
	}
	dumpSum struct {
		Rows   int64  `json:"rows"`
		SHA256 string `json:"sha256"` // Of all lines before, in hexadecimal.
	}
)

// summing writes lines and sums them up.
type summing struct {
	to   io.Writer
	sum  hash.Hash
	rows int64
}

func (s *summing) line(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	s.sum.Write(text)
	_, err = s.to.Write(text)
	return err
}

// Dump writes all of the store, of one moment, as lines of JSON: the same for the same content, whatever the database. Secrets
// are in it as they are stored: sealed, if they are. What running processes know of each other, leases and replicas, is not.
func (s *Store) Dump(ctx context.Context, to io.Writer) error {
	if err := s.db.answers(ctx, "dump the store"); err != nil {
		return err
	}
	ctx, cancel := deadline(ctx, bulkTimeout)
	defer cancel()
	return s.db.wrap("dump the store", s.db.dump(ctx, to))
}

func (d *database) dump(ctx context.Context, to io.Writer) error {
	if d.tx != nil {
		return fmt.Errorf("%w: it is being changed", ErrInvalid)
	}
	if err := d.dialect.ready(); err != nil {
		return err
	}
	tx, err := d.read.BeginTx(ctx, d.dialect.snapshot())
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // It changed nothing.
	if err := d.dialect.patient(ctx, tx); err != nil {
		return err
	}
	out := &summing{to: to, sum: sha256.New()}
	head := dumpHead{Format: dumpFormat}
	if head.Schema, err = applied(ctx, tx); err != nil {
		return err
	}
	if err := out.line(head); err != nil {
		return err
	}
	for _, t := range dumped() {
		if err := d.dumpTable(ctx, tx, out, t); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	return out.line(dumpEnd{&dumpSum{Rows: out.rows, SHA256: hex.EncodeToString(out.sum.Sum(nil))}})
}

func (d *database) dumpTable(ctx context.Context, q querier, out *summing, t table) error {
	names, kinds, err := columns(ctx, q, t.name)
	if err != nil {
		return err
	}
	begin := dumpTable{Table: t.name, Columns: names}
	if t.count != "" {
		if begin.Count, err = d.dialect.counted(ctx, q, t.count); err != nil {
			return err
		}
	}
	if err := out.line(begin); err != nil {
		return err
	}
	rows, err := q.QueryContext(ctx, "SELECT "+strings.Join(names, ", ")+" FROM "+t.name+" ORDER BY "+strings.Join(t.key, ", "))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong.
	values, pointers := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		row := make([]any, len(names))
		for i, name := range names {
			if row[i], err = outward(kinds[name], values[i]); err != nil {
				return fmt.Errorf("column %s: %w", name, err)
			}
		}
		out.rows++
		if err := out.line(map[string]any{"row": row}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// applied returns the number of the last migration of a database that has one.
func applied(ctx context.Context, q querier) (number int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versions+" WHERE is_applied").Scan(&number)
	return number, err
}
