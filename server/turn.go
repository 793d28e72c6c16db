package server

import "context"

// turn is a lock for which somebody may wait until a context ends. It has one place; who puts something into it holds the lock.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// Lock waits for the lock, and Unlock gives it back.
func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// LockUntil waits for the lock until ctx ends, and returns why it ended where it did before. Whoever can be told to stop waits
// so: a hand-over holds the lock of reloads while it stops what runs alone.
func (t turn) LockUntil(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
