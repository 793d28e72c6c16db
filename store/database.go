package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// database is what all concerns work with: one connection that changes and several that read; or one transaction.
type database struct {
	write, read *sql.DB
	tx          *sql.Tx // What Together works in; nil outside of it.
	path        string
	file        os.FileInfo // What was at the path when it was opened.
	now         func() time.Time
	timeout     time.Duration
	closed      atomic.Bool
}

// querier is what reads: the pool of readers, or a change under way.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// deadline gives a context without deadline one.
func deadline(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

// view reads. What is read in one call of do is of one moment only if it is one query.
func (d *database) view(ctx context.Context, what string, do func(ctx context.Context, q querier) error) error {
	ctx, cancel := deadline(ctx, d.timeout)
	defer cancel()
	if d.tx != nil {
		return d.wrap(what, do(ctx, d.tx))
	}
	return d.wrap(what, do(ctx, d.read))
}

// change makes all changes of do, or none where it fails, and returns when they are on the disk. It holds the lock on the
// store from the beginning: what it reads stays as it is until it is done.
func (d *database) change(ctx context.Context, what string, do func(ctx context.Context, tx *sql.Tx) error) error {
	return d.wrap(what, d.transact(ctx, do))
}

func (d *database) transact(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := deadline(ctx, d.timeout)
	defer cancel()
	if d.tx != nil {
		return step(ctx, d.tx, do)
	}
	if now, err := os.Stat(d.path); err != nil || !os.SameFile(now, d.file) {
		return errors.Join(ErrGone, err)
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil {
		_ = tx.Rollback() // Where this fails too, the database rolled back by itself; the first error is the one to tell.
		return err
	}
	return tx.Commit()
}

// wrap says what was being done, what an error means and what to do about it.
func (d *database) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if d.closed.Load() {
		return fmt.Errorf("%s: %w", what, ErrClosed)
	}
	return fmt.Errorf("%s: %w", what, explain(classify(err)))
}

func (d *database) close() error {
	if d.tx != nil {
		return fmt.Errorf("%w: it is being changed", ErrInvalid)
	}
	if d.closed.Swap(true) {
		return ErrClosed
	}
	readErr := d.read.Close()
	checkpoint(d.write, d.timeout)
	return errors.Join(readErr, d.write.Close())
}

// collect scans every row of a query.
func collect[T any](ctx context.Context, q querier, scan func(scan func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong.
	var found []T
	for rows.Next() {
		value, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		found = append(found, value)
	}
	return found, rows.Err()
}

// one scans the only row of a query, or returns ErrNotFound.
func one[T any](ctx context.Context, q querier, scan func(scan func(...any) error) (T, error), query string, args ...any) (T, error) {
	return scan(q.QueryRowContext(ctx, query, args...).Scan)
}

// exec runs a statement and returns how many rows it changed.
func exec(ctx context.Context, tx *sql.Tx, query string, args ...any) (int, error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	changed, err := result.RowsAffected()
	return int(changed), err
}

// moment is a time as it is stored.
func moment(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// at is the time of a moment.
func at(moment int64) time.Time {
	if moment == 0 {
		return time.Time{}
	}
	return time.UnixMicro(moment).UTC()
}

// stored is a time as it comes back from the store.
func stored(t time.Time) time.Time { return at(moment(t)) }
