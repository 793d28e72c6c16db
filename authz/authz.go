// Package authz decides requests: it is the ext_authz service (envoy.service.auth.v3) that Envoy asks, with Rego policies
// evaluated in the process.
//
// In: a gateway.Revision, from which Compile makes a Table of rules by the hash that travels with each route; and
// CheckRequests of Envoys, which name that hash. Out: CheckResponses, each of them an answer: whatever goes wrong while a
// request is decided is a refusal with a reason, never an error. What a policy sees and what it may answer is what
// opa-envoy-plugin defines, and input.gatehouse besides.
package authz

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/authz/check"
	"github.com/gatehouse/gatehouse/envoy"
)

const (
	// defaultLimit is how long one policy may take for one request where Options say nothing.
	defaultLimit = 10 * time.Millisecond
	// heldTables is how many tables the Service goes on answering for: Envoys lag behind while a push is under way.
	heldTables = 50
	// cachedValues is how many compiled regular expressions and globs are kept.
	cachedValues = 4096
	// logEvery and logBurst bound the log of failing policies.
	logEvery = time.Second
	logBurst = 5
)

// Options are the settings of a Service. Only Logger must be set.
type Options struct {
	Logger *slog.Logger
	Limit  time.Duration    // For one evaluation of one policy, which is tried twice; 0: 10 ms.
	Now    func() time.Time // The policies' clock; nil: time.Now.
	// Caller tells for which fleet a Check's Envoy may ask, where its connection proves one: it is answered for that fleet's
	// routes alone. An error tells that the call contradicts its connection. nil: no connection proves anything.
	Caller func(context.Context) (fleet string, known bool, err error)
	Limits Limits // Spends what requests cost; nil: routes that have limits are answered as if these could not be asked.
	// Recorder is told of every decision; nil: nobody is.
	Recorder Recorder
	// Keys knows API keys; nil: requests that show one are answered as if keys could not be looked up.
	Keys Keys
	// Introspection asks issuers about opaque tokens; nil: requests that show one are answered as if no issuer could be asked.
	Introspection Introspection
}

// Service answers Checks by the tables it was given. It starts no goroutine.
type Service struct {
	authv3.UnimplementedAuthorizationServer

	evaluator evaluator
	tally     tally
	held      atomic.Pointer[held]
	caller    func(context.Context) (fleet string, known bool, err error)
	limits    Limits
	recorder  *recorder // nil: nobody is told of decisions.

	bundling sync.Mutex // Held by Use and UseBundle, before mu.
	bundles  map[string]*bundle.Bundle

	mu   sync.Mutex // Held by Use, and for apis.
	used int        // Tables used so far.
	apis map[[2]string]*apiTally
}

// held is all that Checks are answered by, by rules hash.
type held map[string]*entry

// entry is the rules of a route, and where its decisions are counted.
type entry struct {
	rules *rules
	tally *apiTally
	last  int // The number of the last table that had it.
	seen  []seen
}

// seen is a fleet that has a route with these rules.
type seen struct {
	fleet string
	last  int // The number of the last table that said so.
}

// of tells whether a fleet has a route with these rules, or had one not long ago.
func (e *entry) of(fleet string) bool {
	return slices.ContainsFunc(e.seen, func(s seen) bool { return s.fleet == fleet })
}

// New returns a Service without a table: it answers 503 to every Check until it is given one.
func New(o Options) *Service {
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Caller == nil {
		o.Caller = func(context.Context) (string, bool, error) { return "", false, nil }
	}
	if o.Limits == nil {
		o.Limits = noLimits{}
	}
	size := cachedValues
	s := &Service{caller: o.Caller, limits: o.Limits, apis: map[[2]string]*apiTally{}}
	s.evaluator = evaluator{
		limit: o.Limit, now: o.Now, tally: &s.tally, logger: o.Logger, logged: rate.NewLimiter(rate.Every(logEvery), logBurst),
		slots: make(chan struct{}, slots()), verified: newVerified(),
		values: cache.NewInterQueryValueCache(context.Background(), &cache.Config{
			InterQueryBuiltinValueCache: cache.InterQueryBuiltinValueCacheConfig{MaxNumEntries: &size},
		}),
		fetched: cache.NewInterQueryCache(&cache.Config{
			InterQueryBuiltinCache: cache.InterQueryBuiltinCacheConfig{
				MaxSizeBytes: new(int64(maxCached)), ForcedEvictionThresholdPercentage: new(int64(100)), StaleEntryEvictionPeriodSeconds: new(int64),
			},
		}),
	}
	s.evaluator.witnesses = witnesses{keys: o.Keys, introspection: o.Introspection, certificates: newCertificates(), guesses: newGuesses(o.Now, &s.tally)}
	if o.Recorder != nil {
		s.recorder = newRecorder(o.Recorder)
	}
	s.held.Store(&held{})
	return s
}

// Use adds a table to what Checks are answered by, in one swap. Rules that none of the last 50 tables had are forgotten.
func (s *Service) Use(t *Table) {
	s.bundling.Lock()
	defer s.bundling.Unlock()
	s.fill(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used++
	before := *s.held.Load()
	after := make(held, max(len(before), len(t.rules)))
	for hash, e := range before {
		if s.used-e.last < heldTables {
			after[hash] = e
		}
	}
	for hash, r := range t.rules {
		after[hash] = &entry{rules: r, tally: s.apiTallyOf(r.api, r.version), last: s.used, seen: s.seenIn(t.fleets[hash], before[hash])}
	}
	s.held.Store(&after)
}

// seenIn returns which fleets have a route with rules, by the newest table and by those before it; s.mu is held.
func (s *Service) seenIn(fleets []string, before *entry) []seen {
	now := make([]seen, len(fleets))
	for i, f := range fleets {
		now[i] = seen{f, s.used}
	}
	if before == nil {
		return now
	}
	for _, b := range before.seen {
		if s.used-b.last < heldTables && !slices.Contains(fleets, b.fleet) {
			now = append(now, b)
		}
	}
	return now
}

// stranger reports whether a Check comes from an Envoy that may not ask it.
func (s *Service) stranger(ctx context.Context, e *entry) bool {
	fleet, known, err := s.caller(ctx)
	return err != nil || known && !e.of(fleet)
}

// Check answers whether a request may go on. There is no error but one, that limits cannot be asked on a route that is closed
// then: Envoy treats an error as the filter's failure mode says, which for all other routes may be to let the request pass. The
// answer may be one that many requests get, so it must not be changed.
func (s *Service) Check(ctx context.Context, check *authv3.CheckRequest) (response *authv3.CheckResponse, err error) {
	r := request{attributes: check.GetAttributes()}
	began := s.began()
	e := (*s.held.Load())[r.attributes.GetContextExtensions()[envoy.KeyRules]]
	if e == nil {
		s.tally.unknownRules.Add(1)
		d := unknownRules()
		s.record(ctx, &r, began, d)
		return s.refuse(&r, d), nil
	}
	r.rules = e.rules
	if s.stranger(ctx, e) {
		s.tally.strangers.Add(1)
		d := strange()
		s.record(ctx, &r, began, d)
		return s.refuse(&r, d), nil
	}
	if ctx.Err() != nil { // Nobody waits for the answer any more: spend nothing on it.
		s.tally.expired.Add(1)
		d := expired()
		s.record(ctx, &r, began, d)
		return s.refuse(&r, d), nil
	}
	defer func() {
		if cause := recover(); cause != nil {
			response, err = s.recovered(ctx, &r, e, cause), nil
			s.record(ctx, &r, began, fail(reasonError))
		}
	}()
	d := s.evaluator.decide(ctx, &r)
	var limits *counted
	if r.spendsLimits() {
		limits, d = s.spend(ctx, &r, d)
	}
	s.record(ctx, &r, began, d)
	response, err = s.answer(e, &r, d, limits)
	return r.told(response), err
}

// answer returns the answer for a decision, and counts it.
func (s *Service) answer(e *entry, r *request, d *decision, limits *counted) (*authv3.CheckResponse, error) {
	switch {
	case d != nil && d.result != Allowed:
		e.tally.results[d.result].Add(1)
		if err := d.unasked(); err != nil {
			return nil, err
		}
		return s.refuse(r, d), nil
	case limits != nil:
		e.tally.results[Allowed].Add(1)
		return limits.allow(d, e.rules.hash, &s.tally), nil
	case d == nil:
		e.tally.results[Allowed].Add(1)
		return e.rules.allowed, nil
	}
	e.tally.results[Allowed].Add(1)
	return d.allow(e.rules.hash, &s.tally), nil
}

// recovered returns the refusal of a request during which code panicked.
func (s *Service) recovered(ctx context.Context, r *request, e *entry, cause any) *authv3.CheckResponse {
	s.tally.panics.Add(1)
	e.tally.results[Failed].Add(1)
	if s.evaluator.logged.AllowN(s.evaluator.now(), 1) {
		what := fmt.Sprintf("%T", cause) // The value itself may hold parts of the request.
		if err, ok := cause.(runtime.Error); ok {
			what = err.Error()
		}
		s.evaluator.logger.ErrorContext(ctx, "check panicked", "api", r.rules.api, "version", r.rules.version,
			"operation", r.rules.operation, "rules", r.rules.hash, "panic", what, "stack", string(debug.Stack()))
	}
	return s.refuse(r, fail(reasonError))
}

// Register makes a gRPC server answer Checks by this Service.
func (s *Service) Register(r grpc.ServiceRegistrar) { check.Register(r, s) }
