package authz

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"golang.org/x/time/rate"
)

// Reasons of refusals for which no policy gave one.
const (
	reasonUndefined = "undefined"
	reasonTimeout   = "timeout"
	reasonMemory    = "memory"
	reasonBusy      = "busy"
	reasonError     = "evaluation-error"
	reasonWrongType = "wrong-type"
	reasonPanic     = "panic"
)

// evaluator asks policies. It is safe for any number of goroutines.
type evaluator struct {
	limit    time.Duration
	now      func() time.Time
	values   cache.InterQueryValueCache // Compiled regular expressions and globs.
	fetched  cache.InterQueryCache      // Answers to http.send.
	verified verified
	tally    *tally
	logger   *slog.Logger

	witnesses witnesses

	logged *rate.Limiter
	slots  chan struct{} // One is taken by each evaluation under way.
	// memories are those that no evaluation uses at the moment.
	memories sync.Pool
}

// decide says whether a request is allowed: identity first, then every policy in order. The first refusal is the answer, and
// of the policies after it only those are asked whose word does not count. A nil decision allows the request and changes nothing.
func (e *evaluator) decide(ctx context.Context, r *request) *decision {
	if refusal := e.witnesses.identify(ctx, r); refusal != nil {
		return refusal
	}
	var platform, own, refusal *decision
	for _, p := range r.rules.policies {
		if !p.counts(r) {
			e.shadow(ctx, r, p)
			continue
		}
		if refusal != nil {
			continue
		}
		d := e.ask(ctx, r, p)
		switch {
		case d != nil && d.result != Allowed:
			refusal, d.policy = d, p.name
		case p.platform:
			platform = platform.and(d)
		default:
			own = own.and(d)
		}
	}
	if refusal != nil {
		return refusal
	}
	return r.rules.hidden.apply(r, own.and(platform))
}

// ask has one policy decide.
func (e *evaluator) ask(ctx context.Context, r *request, p applied) *decision {
	if p.policy = p.now(); p.policy == nil {
		return unbundled()
	}
	r.parameters, r.asked = p.parameters, p.policy
	input := p.input(r)
	if r.malformed != "" {
		return r.unreadable()
	}
	value, err := e.evaluate(ctx, p.policy, input)
	if errors.Is(err, errTooLong) && !p.fetches || errors.Is(err, errTooLarge) {
		// The limit is in time, not in work: a process that got no processor for that long is not a policy that is slow.
		value, err = e.evaluate(ctx, p.policy, input)
	}
	if err != nil {
		return e.failed(ctx, r, p, err)
	}
	if value == nil {
		e.tally.undefined.Add(1)
		return deny(reasonUndefined)
	}
	d, err := readDecision(value)
	if err == nil && d != nil && d.result == Allowed && !d.carriable() {
		err = errors.New("the answer holds a header that cannot be sent")
	}
	if err != nil {
		e.tally.errors.Add(1)
		e.log(ctx, r, p, err)
		return fail(reasonWrongType)
	}
	return d
}

// failed returns the refusal for a policy whose evaluation ended in an error.
func (e *evaluator) failed(ctx context.Context, r *request, p applied, err error) *decision {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.tally.expired.Add(1)
		return expired()
	case errors.Is(err, errTooLong):
		e.tally.timeouts.Add(1)
		e.log(ctx, r, p, err)
		return fail(reasonTimeout)
	case errors.Is(err, errAbandoned):
		e.tally.timeouts.Add(1)
		e.log(ctx, r, p, err)
		return fail(reasonBusy)
	case errors.Is(err, errTooLarge):
		e.tally.errors.Add(1)
		e.log(ctx, r, p, err)
		return fail(reasonMemory)
	}
	e.tally.errors.Add(1)
	e.log(ctx, r, p, err)
	return fail(reasonError)
}

// evaluate runs the query of a policy, here or, for one that may not end in time by itself, aside. The value is nil where the
// answer is undefined.
func (e *evaluator) evaluate(ctx context.Context, p *policy, input *ast.Term) (ast.Value, error) {
	if err := p.run.enter(ctx, e.slots); err != nil {
		return nil, err
	}
	limit := e.limit
	if p.limit > 0 {
		limit = p.limit
	}
	if p.fetches || p.run.overran.Load() {
		return e.aside(ctx, p, input, limit)
	}
	defer p.run.leave(e.slots)
	return e.query(ctx, p, input, limit)
}

// query runs the query of a policy on this goroutine.
func (e *evaluator) query(ctx context.Context, p *policy, input *ast.Term, limit time.Duration) (value ast.Value, err error) {
	remember, ok := e.memories.Get().(*memory)
	if !ok {
		remember = newMemory()
	}
	stop := &remember.stop
	stop.begin(limit)
	remember.query = *p.asking
	query := remember.query.
		WithInput(input).
		WithCancel(stop).
		WithTime(e.now()).
		WithVirtualCache(remember).
		WithInterQueryBuiltinValueCache(e.valuesFor(p))
	if p.withoutData {
		query = query.WithBaseCache(noData{})
	}
	if p.fetches {
		query = query.WithInterQueryBuiltinCache(e.fetched)
	}
	err = query.Iter(ctx, func(result topdown.QueryResult) error {
		if term := result[answer]; term != nil {
			value = term.Value
		}
		return nil
	})
	if stop.why != nil {
		err = stop.why
	}
	p.run.note(time.Since(stop.begun), limit)
	remember.forget() // Not deferred: after a panic it is left alone.
	e.memories.Put(remember)
	return value, err
}

// valuesFor returns the caches that a policy's functions keep values in.
func (e *evaluator) valuesFor(p *policy) cache.InterQueryValueCache {
	if p.tokens == "" {
		return e.values
	}
	return valuesOf{InterQueryValueCache: e.values, of: e.verified, scope: p.tokens}
}

// log writes down why a policy came to no decision, at most a few times a second: a policy that fails, fails often.
func (e *evaluator) log(ctx context.Context, r *request, p applied, err error) {
	if !e.logged.AllowN(e.now(), 1) {
		return
	}
	e.logger.ErrorContext(ctx, "policy failed", "policy", p.name, "api", r.rules.api, "version", r.rules.version,
		"operation", r.rules.operation, "rules", r.rules.hash, "error", err)
}
