package store

import (
	"context"
	"fmt"
)

// Check looks for damage in all of the store and returns ErrCorrupt with what it found first: the database's structure, as far
// as the database can look after it by itself, and every file of every content by its hash. It reads all of it.
func (s *Store) Check(ctx context.Context) error {
	if err := s.db.answers(ctx, "check the store"); err != nil {
		return err
	}
	ctx, cancel := deadline(ctx, bulkTimeout)
	defer cancel()
	return s.db.view(ctx, "check the store", func(ctx context.Context, q querier) error {
		if err := s.db.dialect.check(ctx, q); err != nil {
			return err
		}
		return verify(ctx, q)
	})
}

// verify reads every content, and looks whether every entry has one.
func verify(ctx context.Context, q querier) error {
	contents, err := collect(ctx, q, func(scan func(...any) error) (id string, err error) { return id, scan(&id) },
		"SELECT id FROM contents ORDER BY id")
	if err != nil {
		return err
	}
	for _, id := range contents {
		if _, err := readContent(ctx, q, id); err != nil {
			return fmt.Errorf("content %s: %w", id, err)
		}
	}
	var lost int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM entries WHERE content NOT IN (SELECT id FROM contents)").Scan(&lost); err != nil {
		return err
	}
	if lost > 0 {
		return fmt.Errorf("%w: %d entries have lost their content", ErrCorrupt, lost)
	}
	return nil
}
