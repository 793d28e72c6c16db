package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// database is what all concerns work with: one connection that changes and several that read; or one transaction.
type database struct {
	dialect dialect
	write   *sql.DB // For changes, which are made one after the other.
	read    *sql.DB
	beat    *sql.DB      // For what must not wait behind changes: leases and signs of life. SQLite has but one writer, the same.
	tx      *transaction // What Together works in; nil outside of it.
	feed    *hub
	now     func() time.Time
	timeout time.Duration
	closed  atomic.Bool
}

// dialect is what differs between the databases below a store.
type dialect interface {
	// ready says whether calls have a chance: ErrGone where what is written would be lost, ErrAway where nobody answers.
	ready() error
	// lock takes the lock on the store, where the beginning of a transaction has not.
	lock(ctx context.Context, tx *sql.Tx) error
	// announce stores that something changes, and tells other processes when the change is made. It returns the number of the
	// change.
	announce(ctx context.Context, tx *sql.Tx, notices []Notice) (number int64, err error)
	// whisper tells other processes of changes that were made without the lock, and have no number.
	whisper(ctx context.Context, tx *sql.Tx, notices []Notice) error
	// clock returns the time that all who use the store agree on.
	clock(ctx context.Context, q querier) (time.Time, error)
	// classify gives an error its meaning.
	classify(err error) error
	// advise says what an operator can do about an error that was classified; "" for those that need nobody.
	advise(err error) string
	// late is what it means that a call without deadline of its own ran out of time.
	late() error
	// counted returns how far the numbers of a table were given, and count says so.
	counted(ctx context.Context, q querier, table string) (int64, error)
	count(ctx context.Context, tx *sql.Tx, table string, value int64) error
	// patient lets a transaction take as long as its context lets it.
	patient(ctx context.Context, tx *sql.Tx) error
	// snapshot is how a transaction begins that sees one moment.
	snapshot() *sql.TxOptions
	// check looks for damage.
	check(ctx context.Context, q querier) error
	// follow tells the hub what others change until the context ends.
	follow(ctx context.Context, d *database)
	// finish is the last thing before the connection that changes is closed.
	finish(d *database)
}

// transaction is a change under way.
type transaction struct {
	*sql.Tx
	notices []Notice
}

// notice says what the transaction changes.
func (t *transaction) notice(concern, key string) {
	n := Notice{Concern: concern, Key: key}
	if !slices.Contains(t.notices, n) {
		t.notices = append(t.notices, n)
	}
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

// deadline is the deadline of a call, which says what it means that it passed.
func (d *database) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d.timeout, d.dialect.late())
}

// late adds to an error what it means that the call ran out of the store's own time.
func late(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrAway) && !errors.Is(err, ErrAway) {
		return fmt.Errorf("%w: it does not answer in time (%w)", cause, err)
	}
	return err
}

// view reads. What is read in one call of do is of one moment only if it is one query.
func (d *database) view(ctx context.Context, what string, do func(ctx context.Context, q querier) error) error {
	ctx, cancel := d.deadline(ctx)
	defer cancel()
	if d.tx != nil {
		return d.wrap(what, do(ctx, d.tx))
	}
	if err := d.dialect.ready(); err != nil && !errors.Is(err, ErrGone) { // What was there can still be read.
		return d.wrap(what, err)
	}
	return d.wrap(what, late(ctx, do(ctx, d.read)))
}

// answers returns an error where the store does not answer in a call's time. What reads much asks this first: its own time is long.
func (d *database) answers(ctx context.Context, what string) error {
	return d.view(ctx, what, func(ctx context.Context, q querier) error {
		var one int
		return q.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	})
}

// change makes all changes of do, or none where it fails, and returns when they are on the disk. It holds the lock on the
// store from the beginning: what it reads stays as it is until it is done.
func (d *database) change(ctx context.Context, what string, do func(ctx context.Context, tx *transaction) error) error {
	return d.wrap(what, d.transact(ctx, do))
}

func (d *database) transact(ctx context.Context, do func(ctx context.Context, tx *transaction) error) error {
	ctx, cancel := d.deadline(ctx)
	defer cancel()
	if d.tx != nil {
		return step(ctx, d.tx, do)
	}
	return d.within(ctx, d.write, func(ctx context.Context, tx *transaction) error {
		if err := d.dialect.lock(ctx, tx.Tx); err != nil {
			return err
		}
		return do(ctx, tx)
	}, d.dialect.announce)
}

// beside makes changes that are right without the lock on the store: each is one statement on one row. So they wait for no
// other change.
func (d *database) beside(ctx context.Context, what string, do func(ctx context.Context, tx *transaction) error) error {
	ctx, cancel := d.deadline(ctx)
	defer cancel()
	if d.tx != nil {
		return d.wrap(what, step(ctx, d.tx, do))
	}
	return d.wrap(what, d.within(ctx, d.beat, do, func(ctx context.Context, tx *sql.Tx, notices []Notice) (int64, error) {
		return 0, d.dialect.whisper(ctx, tx, notices)
	}))
}

// within runs one transaction, and tells the feed what it changed.
func (d *database) within(
	ctx context.Context, pool *sql.DB, do func(context.Context, *transaction) error,
	announce func(context.Context, *sql.Tx, []Notice) (int64, error),
) error {
	if err := d.dialect.ready(); err != nil {
		return err
	}
	begun, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return late(ctx, err)
	}
	tx := &transaction{Tx: begun}
	err = do(ctx, tx)
	var number int64
	if err == nil && len(tx.notices) > 0 {
		number, err = announce(ctx, begun, tx.notices)
	}
	if err != nil {
		_ = begun.Rollback() // Where this fails too, the database rolled back by itself; the first error is the one to tell.
		return late(ctx, err)
	}
	if err := begun.Commit(); err != nil {
		return late(ctx, err)
	}
	d.feed.made(number, tx.notices)
	return nil
}

// wrap says what was being done, what an error means and what to do about it.
func (d *database) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if d.closed.Load() {
		return fmt.Errorf("%s: %w", what, ErrClosed)
	}
	return fmt.Errorf("%s: %w", what, named(d.dialect, d.dialect.classify(err)))
}

func (d *database) close() error {
	if d.tx != nil {
		return fmt.Errorf("%w: it is being changed", ErrInvalid)
	}
	if d.closed.Swap(true) {
		return ErrClosed
	}
	d.feed.close()
	err := d.read.Close()
	if d.beat != d.write {
		err = errors.Join(err, d.beat.Close())
	}
	d.dialect.finish(d)
	return errors.Join(err, d.write.Close())
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
func exec(ctx context.Context, tx *transaction, query string, args ...any) (int, error) {
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
