package server

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// rest is how long an entry that could not be rebuilt is left alone: where a secret is missing at this replica, or a file, to
// compile the same over and over changes nothing.
type rest struct {
	until time.Time
	wait  time.Duration
	err   error // Of the last try.
}

// rebuildAgain rebuilds an entry of the history unless that has just failed, and then returns how. That the store is away
// is no such failure. The caller holds the lock of reloads.
func (s *Server) rebuildAgain(ctx context.Context, number int64) (*entry, error) {
	now, before := s.options.Now(), s.cluster.resting[number]
	if now.Before(before.until) {
		return nil, before.err
	}
	e, err := s.rebuild(ctx, number, 0)
	switch {
	case err == nil:
		delete(s.cluster.resting, number)
	case !errors.Is(err, store.ErrAway) && ctx.Err() == nil:
		wait := min(max(2*before.wait, firstAgain), lastAgain)
		s.cluster.resting[number] = rest{until: now.Add(jittered(wait)), wait: wait, err: err}
	}
	return e, err
}
