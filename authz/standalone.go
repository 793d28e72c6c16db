package authz

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa/v1/ast"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/authz/check"
)

// StandaloneOptions are the settings of a Standalone. Only Logger must be set.
type StandaloneOptions struct {
	Logger *slog.Logger
	Limit  time.Duration    // For one evaluation; 0: 10 ms.
	Now    func() time.Time // The policies' clock; nil: time.Now.
	// Body is how many bytes of a body are read for a policy; 0: 1 MiB. Reading is not stopped by Limit, so it is bounded before: a
	// request with a longer one is refused with 413 by a policy that reads the body.
	Body   int
	DryRun bool // Every request is allowed; the decision log says what would have been decided.
	// Bare leaves the body of a refusal empty where the policy gives none, as opa-envoy-plugin does. Otherwise it is a problem
	// document, or a grpc-message.
	Bare bool
	// Log takes the event of each decision, and must not block; nil: none are made.
	Log func(Event)
	// Unmasked leaves credentials and bodies in the events, where no mask policy erases them.
	Unmasked bool
}

// Standalone answers Checks of Envoys that somebody else configures, all of them by one set of policies: what opa-envoy-plugin
// does. There are no rules, no routes and no identity; input and answers are the plugin's, and what differs is in
// docs/compatibility.md. It starts no goroutine.
type Standalone struct {
	authv3.UnimplementedAuthorizationServer

	options   StandaloneOptions
	engine    *Service // Without a table: its evaluator and its counters.
	evaluator *evaluator
	tally     *tally
	results   [results]atomic.Uint64
	set       atomic.Pointer[Set]
}

// defaultBody is how many bytes of a body are read where nobody says so.
const defaultBody = 1 << 20

// NewStandalone returns a Standalone without policies: it answers 503 until it is given some.
func NewStandalone(o StandaloneOptions) *Standalone {
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	if o.Body == 0 {
		o.Body = defaultBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	engine := New(Options{Logger: o.Logger, Limit: o.Limit, Now: o.Now})
	return &Standalone{options: o, engine: engine, evaluator: &engine.evaluator, tally: &engine.tally}
}

// Counts returns what was counted up to now; decisions are of no API.
func (s *Standalone) Counts() Counts {
	c := s.engine.Counts()
	for result := range results {
		if n := s.results[result].Load(); n > 0 {
			c.Decisions = append(c.Decisions, DecisionCount{Result: result, Count: n})
		}
	}
	return c
}

// Use makes a set of policies answer from now on, in one swap.
func (s *Standalone) Use(set *Set) { s.set.Store(set) }

// Ready tells whether there are policies to answer by.
func (s *Standalone) Ready() bool { return s.set.Load() != nil }

// Register makes a gRPC server answer Checks by this Standalone.
func (s *Standalone) Register(r grpc.ServiceRegistrar) { check.Register(r, s) }

// Check answers whether a request may go on. The error is always nil, as in Service.Check.
func (s *Standalone) Check(ctx context.Context, check *authv3.CheckRequest) (response *authv3.CheckResponse, _ error) {
	began := s.options.Now()
	a := asked{request: request{attributes: check.GetAttributes(), most: s.options.Body}, id: newDecisionID(), began: began}
	defer func() {
		if cause := recover(); cause != nil {
			response = s.recovered(ctx, &a, cause)
		}
	}()
	a.set = s.set.Load()
	switch {
	case a.set == nil:
		s.tally.unknownRules.Add(1)
		a.decision = unready()
	case ctx.Err() != nil: // Nobody waits for the answer any more: spend nothing on it.
		s.tally.expired.Add(1)
		a.decision = expired()
	default:
		s.decide(ctx, &a)
	}
	response = s.answer(&a)
	s.log(ctx, &a)
	return response, nil
}

// asked is one Check while it is decided by itself.
type asked struct {
	request

	id    string // Of the decision.
	began time.Time
	took  time.Duration // Of the evaluation.
	set   *Set
	input *ast.Term

	value    ast.Value // What the policy answered; nil: nothing.
	decision *decision // nil: allowed, and nothing changes.
	wrong    error     // Why there is no decision of the policy's.
}

// decide asks the policy.
func (s *Standalone) decide(ctx context.Context, a *asked) {
	p := a.set.policy
	a.asked = p // Its descriptors read the body.
	a.input = p.input(&a.request)
	if a.malformed != "" {
		a.wrong = fmt.Errorf("the request cannot be read: %s", a.malformed)
		a.decision = a.unreadable()
		return
	}
	began := s.options.Now()
	a.value, a.wrong = s.evaluator.evaluate(ctx, p, a.input)
	if errors.Is(a.wrong, errTooLong) || errors.Is(a.wrong, errTooLarge) { // As in Service: the limit is in time, not in work.
		a.value, a.wrong = s.evaluator.evaluate(ctx, p, a.input)
	}
	a.took = s.options.Now().Sub(began)
	switch {
	case errors.Is(a.wrong, errTooLong):
		s.tally.timeouts.Add(1)
		a.decision = fail(reasonTimeout)
	case errors.Is(a.wrong, errAbandoned):
		s.tally.timeouts.Add(1)
		a.decision = fail(reasonBusy)
	case errors.Is(a.wrong, errTooLarge):
		s.tally.errors.Add(1)
		a.decision = fail(reasonMemory)
	case a.wrong != nil:
		s.tally.errors.Add(1)
		a.decision = fail("evaluation-error")
	case a.value == nil:
		s.tally.undefined.Add(1)
		a.wrong = fmt.Errorf("%s is undefined", a.set.query)
		a.decision = deny("undefined")
		return // A policy without a default is usual; it is no failure to write down.
	default:
		a.decision, a.wrong = readDecision(a.value)
		if a.wrong == nil && a.decision != nil && a.decision.result == Allowed && !a.decision.carriable() {
			a.wrong = fmt.Errorf("the answer of %s holds a header that cannot be sent", a.set.query)
		}
		if a.wrong != nil {
			s.tally.errors.Add(1)
			a.decision = fail("wrong-type")
		}
	}
	if a.wrong != nil && s.evaluator.logged.AllowN(s.options.Now(), 1) {
		s.options.Logger.ErrorContext(ctx, "policy failed", "query", a.set.query, "decision_id", a.id, "error", a.wrong)
	}
}

// recovered returns the refusal of a request during which code panicked.
func (s *Standalone) recovered(ctx context.Context, a *asked, cause any) *authv3.CheckResponse {
	s.tally.panics.Add(1)
	if s.evaluator.logged.AllowN(s.options.Now(), 1) {
		what := fmt.Sprintf("%T", cause) // The value itself may hold parts of the request.
		if err, ok := cause.(runtime.Error); ok {
			what = err.Error()
		}
		s.options.Logger.ErrorContext(ctx, "check panicked", "decision_id", a.id, "panic", what, "stack", string(debug.Stack()))
	}
	a.decision, a.value = fail("evaluation-error"), nil
	return s.answer(a)
}

// newDecisionID returns a random UUID (RFC 9562, section 5.4).
func newDecisionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // It never fails.
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var text [36]byte
	at := 0
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			text[at] = '-'
			at++
		}
		at += hex.Encode(text[at:], part)
	}
	return string(text[:])
}
