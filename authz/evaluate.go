package authz

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"golang.org/x/time/rate"

	"github.com/gatehouse/gatehouse/gateway"
)

// evaluator asks policies. It is safe for any number of goroutines.
type evaluator struct {
	limit  time.Duration
	now    func() time.Time
	values cache.InterQueryValueCache // Compiled regular expressions and globs.
	tally  *tally
	logger *slog.Logger
	logged *rate.Limiter
	// memories are those that no evaluation uses at the moment.
	memories sync.Pool
}

// decide says whether a request is allowed: identity first, then every policy in order. The first refusal is the answer.
// A nil decision allows the request and changes nothing.
func (e *evaluator) decide(ctx context.Context, r *request) *decision {
	if refusal := r.identify(); refusal != nil {
		return refusal
	}
	var platform, own *decision
	for _, p := range r.rules.policies {
		d := e.ask(ctx, r, p)
		switch {
		case d != nil && d.result != Allowed:
			d.policy = p.name
			return d
		case p.platform:
			platform = platform.and(d)
		default:
			own = own.and(d)
		}
	}
	return own.and(platform)
}

// ask has one policy decide.
func (e *evaluator) ask(ctx context.Context, r *request, p applied) *decision {
	if p.policy = p.now(); p.policy == nil {
		return unbundled()
	}
	r.parameters = p.parameters
	input := p.input(r)
	if r.malformed != "" {
		return refuse(Malformed, 400, gateway.ProblemBadRequest, r.malformed)
	}
	value, err := e.evaluate(ctx, p.policy, input)
	if topdown.IsCancel(err) {
		// The limit is in time, not in work: a process that got no processor for that long is not a policy that is slow.
		value, err = e.evaluate(ctx, p.policy, input)
	}
	switch {
	case topdown.IsCancel(err):
		e.tally.timeouts.Add(1)
		e.log(ctx, r, p, errors.New("the policy did not answer within the limit"))
		return fail("timeout")
	case err != nil:
		e.tally.errors.Add(1)
		e.log(ctx, r, p, err)
		return fail("evaluation-error")
	case value == nil:
		e.tally.undefined.Add(1)
		return deny("undefined")
	}
	d, err := readDecision(value)
	if err == nil && d != nil && d.result == Allowed && !d.carriable() {
		err = errors.New("the answer holds a header that cannot be sent")
	}
	if err != nil {
		e.tally.errors.Add(1)
		e.log(ctx, r, p, err)
		return fail("wrong-type")
	}
	return d
}

// evaluate runs the query of a policy. The value is nil where the answer is undefined.
func (e *evaluator) evaluate(ctx context.Context, p *policy, input *ast.Term) (value ast.Value, err error) {
	remember, ok := e.memories.Get().(*memory)
	if !ok {
		remember = newMemory()
	}
	cancel := topdown.NewCancel()
	defer time.AfterFunc(e.limit, cancel.Cancel).Stop()
	query := topdown.NewQuery(p.query).
		WithQueryCompiler(p.queryCompiler).
		WithCompiler(p.compiler).
		WithStore(p.store).
		WithTransaction(p.txn).
		WithInput(input).
		WithCancel(cancel).
		WithTime(e.now()).
		WithMetrics(metrics.NoOp()).
		WithVirtualCache(remember).
		WithInterQueryBuiltinValueCache(e.values)
	if p.withoutData {
		query = query.WithBaseCache(noData{})
	}
	err = query.Iter(ctx, func(result topdown.QueryResult) error {
		if term := result[answer]; term != nil {
			value = term.Value
		}
		return nil
	})
	remember.forget() // Not deferred: after a panic it is left alone.
	e.memories.Put(remember)
	return value, err
}

// log writes down why a policy came to no decision, at most a few times a second: a policy that fails, fails often.
func (e *evaluator) log(ctx context.Context, r *request, p applied, err error) {
	if !e.logged.AllowN(e.now(), 1) {
		return
	}
	e.logger.ErrorContext(ctx, "policy failed", "policy", p.name, "api", r.rules.api, "version", r.rules.version,
		"operation", r.rules.operation, "rules", r.rules.hash, "error", err)
}
