package join

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Between two tries of a renewal.
const (
	retryFirst = time.Second
	retryMost  = 5 * time.Minute
	// jitter is which share of a wait is left to chance, so that a fleet that started at once does not renew at once.
	jitter = 10
	// look is how often the clock is looked at while nothing is due: a host that slept notices, and so does one whose clock is set.
	look = time.Minute
)

// Renewer keeps a node's certificate fresh.
type Renewer struct {
	Place Place
	Kept  Kept
	Now   func() time.Time // nil: time.Now.
	Log   *slog.Logger
}

// Run renews at two thirds of each certificate's life, until ctx ends. A failure is logged and tried again, less and less
// often; the certificate that is in place stays.
func (r Renewer) Run(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	due, err := r.Place.Due()
	if err != nil {
		return err
	}
	tries := 0
	for {
		r.Log.DebugContext(ctx, "next renewal", "at", due)
		if !r.wait(ctx, due) {
			return nil
		}
		if k, err := ReadKept(r.Place.Settings.Dir); err == nil { // A Follower may have heard of other replicas.
			r.Kept.Joins = k.Joins
		}
		next, err := r.Place.Renew(ctx, r.Kept, r.Now)
		switch {
		case err == nil:
			tries = 0
			due = early(r.Now(), next)
			r.Log.InfoContext(ctx, "certificate renewed", "fleet", r.Kept.Fleet, "node", r.Kept.Node, "next", due)
		case ctx.Err() != nil:
			return nil
		default:
			wait := backoff(tries)
			tries++
			due = r.Now().Add(wait)
			r.Log.ErrorContext(ctx, "certificate not renewed", "error", err, "again_in", wait.Round(time.Millisecond))
		}
	}
}

// wait returns when a time has come, or false when ctx has ended.
func (r Renewer) wait(ctx context.Context, due time.Time) bool {
	for {
		left := due.Sub(r.Now())
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, look))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// early returns a time up to a tenth of the wait before the due one.
func early(now, due time.Time) time.Time {
	wait := max(due.Sub(now), 0)
	return due.Add(-time.Duration(rand.Int64N(int64(wait/jitter) + 1))) //nolint:gosec // Nothing is to be guessed.
}

// backoff returns how long to wait after a number of failures in a row: twice as long each time, half of it left to chance.
func backoff(tries int) time.Duration {
	const doublings = 10
	most := min(retryFirst<<min(tries, doublings), retryMost)
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1)) //nolint:gosec // Nothing is to be guessed.
}
