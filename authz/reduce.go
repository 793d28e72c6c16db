package authz

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	// keptReductions is how many reductions a Reducer remembers.
	keptReductions = 16384
	// reduceSteps bounds the work of one partial evaluation: the steps in which OPA tells its tracers what it does. It is
	// no time, as the same policy must reduce alike on every machine.
	reduceSteps = 20_000
)

// Reducer finds out which policies Envoy can decide by itself. It remembers what it found, by content, so that of a changed
// configuration only what is new in it is looked at. It may be used by any number of goroutines.
type Reducer struct {
	mu    sync.Mutex
	known map[content]gateway.Reduction
	older map[content]gateway.Reduction // Those of the generation before: forgotten when known is full.
}

// NewReducer returns a Reducer that knows nothing yet.
func NewReducer() *Reducer { return &Reducer{known: map[content]gateway.Reduction{}} }

// Reduce says how Envoy can decide a policy with its parameters by itself (gateway.Reduce). It evaluates the deciding rule
// partially: parameters and data are known, the request is not. What remains must be comparisons that mean the same in Rego
// and in Envoy's RBAC, or the policy is not reduced. A policy that does not compile is not reduced either; its fault is
// found by Compile.
func (r *Reducer) Reduce(p *gateway.Policy, parameters map[string]any) gateway.Reduction {
	key, ok := reductionOf(p, parameters)
	if !ok {
		return gateway.Reduction{Why: "its parameters are not JSON"}
	}
	if found, ok := r.recall(key); ok {
		return found
	}
	found := reduce(p, parameters)
	r.remember(key, found)
	return found
}

// reductionOf returns what a reduction depends on.
func reductionOf(p *gateway.Policy, parameters map[string]any) (content, bool) {
	of := contentOf(p)
	text, err := json.Marshal(parameters)
	if err != nil {
		return content{}, false
	}
	return sha256.Sum256(append(of[:], text...)), true
}

func (r *Reducer) recall(key content) (gateway.Reduction, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.known[key]
	if !ok {
		if found, ok = r.older[key]; ok {
			r.known[key] = found
		}
	}
	return found, ok
}

func (r *Reducer) remember(key content, found gateway.Reduction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= keptReductions/2 {
		r.known, r.older = map[content]gateway.Reduction{}, r.known
	}
	r.known[key] = found
}

// reduce does the work of Reduce.
func reduce(p *gateway.Policy, parameters map[string]any) (found gateway.Reduction) {
	defer func() {
		if cause := recover(); cause != nil {
			found = gateway.Reduction{Why: fmt.Sprintf("its evaluation failed (%v)", cause)}
		}
	}()
	if p.Bundle != "" {
		return gateway.Reduction{Why: "it sees the bundle " + p.Bundle + ", which may change at any time"}
	}
	if p.ReadsBody() {
		return gateway.Reduction{Why: "it may read the body"}
	}
	switch {
	case len(p.Hosts) > 0 || slices.ContainsFunc(p.Imported, func(other *gateway.Policy) bool { return len(other.Hosts) > 0 }):
		return gateway.Reduction{Why: "it may ask other hosts"}
	case len(allFiles(p)) > 0:
		return gateway.Reduction{Why: "it has files of data"}
	}
	given, err := toObject(parameters)
	if err != nil {
		return gateway.Reduction{Why: "its parameters are not JSON"}
	}
	compiled, mistakes := compileAlone(p)
	if len(mistakes) > 0 {
		return gateway.Reduction{Why: "it does not compile"}
	}
	module := compiled.compiler.Modules[mainModule]
	shape, why := shapeOf(compiled.compiler, entryRef(module, p.Entry))
	if why != "" {
		return gateway.Reduction{Why: why}
	}
	native, why := compiled.residue(entryRef(module, p.Entry), shape, given)
	if why != "" {
		return gateway.Reduction{Why: why}
	}
	return gateway.Reduction{Native: &native, Reason: shape.reason}
}

// residue evaluates the deciding rule partially and translates what remains.
func (p *policy) residue(entry ast.Ref, s shape, parameters ast.Object) (gateway.Predicate, string) {
	if s.value == nil {
		return gateway.Predicate{Never: !s.constant}, ""
	}
	query, err := p.compiler.QueryCompiler().Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(entry), ast.NewTerm(s.value))))
	if err != nil {
		return gateway.Predicate{}, "its deciding rule cannot be asked for"
	}
	cancel := topdown.NewCancel()
	told := ast.ObjectTerm([2]*ast.Term{ast.StringTerm("parameters"), ast.NewTerm(parameters)})
	queries, support, err := topdown.NewQuery(query).
		WithCompiler(p.compiler).WithStore(p.store).WithTransaction(p.txn).
		WithInput(ast.ObjectTerm([2]*ast.Term{ast.StringTerm("gatehouse"), told})).
		WithUnknowns([]*ast.Term{
			ast.MustParseTerm("input.attributes"), ast.MustParseTerm("input.source_principal"), ast.MustParseTerm("input.gatehouse.identity"),
		}).
		WithTime(time.Unix(0, 0)).
		WithBuiltins(p.builtins).
		WithCancel(cancel).
		WithQueryTracer(&steps{left: reduceSteps, cancel: cancel}).
		PartialRun(context.Background())
	switch {
	case topdown.IsCancel(err):
		return gateway.Predicate{}, "it has too many branches"
	case err != nil:
		return gateway.Predicate{}, "it cannot be evaluated without a request"
	}
	t := translator{support: supportRules(support), positive: s.allowing}
	holds := t.alternatives(queries)
	if t.why != "" {
		return gateway.Predicate{}, t.why
	}
	if !s.allowing {
		holds = not(holds)
	}
	if _, ok := (&gateway.Predicate{Not: &holds}).Clauses(); !ok {
		return gateway.Predicate{}, "it entangles headers with other parts of the request"
	}
	return holds, ""
}

// steps counts what OPA does and stops it when that is too much.
type steps struct {
	left   int
	cancel topdown.Cancel
}

// Enabled returns true: every step counts.
func (s *steps) Enabled() bool { return true }

// Config asks for nothing beyond the steps themselves.
func (s *steps) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent counts a step.
func (s *steps) TraceEvent(topdown.Event) {
	if s.left--; s.left == 0 {
		s.cancel.Cancel()
	}
}
