package store

import (
	"context"
	"errors"
)

// Together makes all changes that do makes through the store given to it, of whatever concern, or none where do fails or the
// process dies. do works on that store alone and from one goroutine: it holds the lock, and through the outer store it would
// wait for itself. It may look at what it has changed, and go on after a call that failed. Its error is returned as it is.
func (s *Store) Together(ctx context.Context, do func(ctx context.Context, s *Store) error) error {
	var failed error
	err := s.db.transact(ctx, func(ctx context.Context, tx *transaction) error {
		inside := &database{dialect: s.db.dialect, tx: tx, feed: s.db.feed, now: s.db.now, timeout: s.db.timeout}
		failed = do(ctx, assemble(inside, s.path, s.Observed.trail, s.Authority.keys))
		return failed
	})
	if failed != nil {
		return failed
	}
	return s.db.wrap("change several things together", err)
}

// step makes all changes of do within a transaction, or none.
func step(ctx context.Context, tx *transaction, do func(ctx context.Context, tx *transaction) error) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT step"); err != nil {
		return err
	}
	told := len(tx.notices)
	if err := do(ctx, tx); err != nil {
		tx.notices = tx.notices[:told]
		_, undone := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT step")
		_, ended := tx.ExecContext(ctx, "RELEASE SAVEPOINT step")
		return errors.Join(err, undone, ended)
	}
	_, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT step")
	return err
}
