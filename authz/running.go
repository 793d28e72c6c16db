package authz

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// How many evaluations are under way at once. What comes beyond waits, as long as its Envoy does.
const (
	slotsPerCore = 64
	// share of the slots that one policy may take: a slow one leaves room for the others.
	share = 2
	// overrun is by how many times its limit an evaluation must take longer to be one that cannot be stopped.
	overrun = 5
	// overrunAtLeast is how much longer at least: a machine that is busy makes everything late.
	overrunAtLeast = 250 * time.Millisecond
	// asideGrace is how long an evaluation aside may take to stop, once nobody waits for it.
	asideGrace = 50 * time.Millisecond
)

// running is which evaluations of one policy are under way.
type running struct {
	places chan struct{}
	// overran says that an evaluation did not stop at its limit once: since then the policy is evaluated aside, where nobody
	// waits for it longer than that.
	overran atomic.Bool
	// abandoned is how many evaluations go on for which nobody waits any more.
	abandoned atomic.Int32
}

func newRunning() *running { return &running{places: make(chan struct{}, slots()/share)} }

func slots() int { return slotsPerCore * runtime.GOMAXPROCS(0) }

// enter takes a place of the policy's and a slot of the service's, and waits for them. The error is the context's, or says that
// the policy is not asked.
func (r *running) enter(ctx context.Context, slots chan struct{}) error {
	if r.abandoned.Load() > 0 {
		return errAbandoned
	}
	select {
	case r.places <- struct{}{}:
	default:
		select {
		case r.places <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-r.places
		return ctx.Err()
	}
}

// leave gives them back.
func (r *running) leave(slots chan struct{}) {
	<-slots
	<-r.places
}

// note notes how long an evaluation took.
func (r *running) note(took, limit time.Duration) {
	if took > overrun*limit && took > limit+overrunAtLeast {
		r.overran.Store(true)
	}
}

// outcome is what an evaluation aside came to.
type outcome struct {
	value ast.Value
	err   error
}

// aside evaluates a policy on a goroutine of its own and waits for it no longer than its limit. While one for which nobody
// waits any more still goes on, the policy is not asked again: it can take one processor, not all of them.
func (e *evaluator) aside(ctx context.Context, p *policy, input *ast.Term, limit time.Duration) (ast.Value, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	done := make(chan outcome, 1)
	var given atomic.Bool // Set by whoever comes first: the evaluation that ends, or the one that waits and gives up.
	go func() {
		defer cancel()
		defer p.run.leave(e.slots)
		var o outcome
		defer func() {
			if cause := recover(); cause != nil {
				o.err = fmt.Errorf("the evaluation panicked (%T): %s", cause, debug.Stack())
			}
			if given.Swap(true) {
				p.run.abandoned.Add(-1)
			}
			done <- o
		}()
		o.value, o.err = e.query(ctx, p, input, limit)
	}()
	select {
	case o := <-done:
		if context.Cause(ctx) == errTooLong && o.err != nil { //nolint:errorlint // The cause is the value itself.
			return nil, errTooLong
		}
		return o.value, o.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(asideGrace) // What waits for a host ends at once.
	defer grace.Stop()
	select {
	case o := <-done:
		if o.err == nil {
			return o.value, nil
		}
		return nil, context.Cause(ctx)
	case <-grace.C:
	}
	if given.Swap(true) {
		o := <-done
		return o.value, o.err
	}
	p.run.abandoned.Add(1)
	return nil, context.Cause(ctx)
}
