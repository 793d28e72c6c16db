package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse/gatehouse/gateway"
)

// trialLimit bounds one evaluation of a policy that somebody tries, which may be traced and so be far slower than it is live.
const trialLimit = 5 * time.Second

// Trial is what one policy says of a request that somebody tries, and why.
type Trial struct {
	Policy string          `json:"policy"`
	Mode   gateway.Mode    `json:"mode,omitempty"`
	Result string          `json:"result"`
	Status int             `json:"status,omitempty"` // Of a refusal, HTTP.
	Reason string          `json:"reason,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"` // The policy's own word; none where it is undefined.
	Error  string          `json:"error,omitempty"`  // Why there is no decision.
	Native bool            `json:"native,omitempty"` // Envoy decides it by itself.
	Took   time.Duration   `json:"took_ns"`
	Steps  []Step          `json:"steps,omitempty"` // What the rules came to, in the order in which they were asked; only where asked for.
}

// Step is one rule that was asked, and what it came to.
type Step struct {
	Rule  string        `json:"rule"`
	Place gateway.Place `json:"place"`
	Depth int           `json:"depth"` // How many rules asked for it, one another.
	Holds bool          `json:"holds"`
	// Failed is the expression at which a rule that does not hold went no further, At is its line, and Values what its parts
	// were there.
	Failed string            `json:"failed,omitempty"`
	At     int               `json:"at,omitempty"`
	Values map[string]string `json:"values,omitempty"`
}

// Question is a request that somebody tries on the policies of a route.
type Question struct {
	Route    *gateway.Route
	Check    *attributes    // As Envoy would send it.
	Identity map[string]any // input.gatehouse.identity; nil: nobody said who they are.
	Trace    bool           // Whether the steps are wanted.
}

// Try asks every policy of a route about a request, whatever the others say: as Check does, in the order in which it asks. The error
// is about the question.
func (t *Table) Try(ctx context.Context, q Question) ([]Trial, error) {
	identity, err := toObject(q.Identity)
	if err != nil {
		return nil, fmt.Errorf("the identity is not JSON: %w", err)
	}
	var trials []Trial
	for _, a := range q.Route.Authorize {
		p := t.policies[contentOf(a.Policy)]
		if p == nil {
			return nil, fmt.Errorf("the policy %s is not compiled", a.Policy.Name)
		}
		if p = p.now(); p == nil {
			return nil, fmt.Errorf("the policy %s waits for the Bundle %s", a.Policy.Name, a.Policy.Bundle)
		}
		input, err := trialInput(q, a, identity)
		if err != nil {
			return nil, err
		}
		trial := p.try(ctx, a.Policy, input, q.Trace)
		trial.Policy, trial.Mode, trial.Native = a.Policy.Name, a.Mode, a.Native != nil
		trials = append(trials, trial)
	}
	return trials, nil
}

// trialInput returns all of the input document, whatever the policy needs of it.
func trialInput(q Question, a gateway.AppliedPolicy, identity ast.Object) (*ast.Term, error) {
	parameters, err := toObject(a.Parameters)
	if err != nil {
		return nil, fmt.Errorf("the parameters of policy %s are not JSON: %w", a.Policy.Name, err)
	}
	rules, err := newRules(&gateway.Route{
		API: q.Route.API, Version: q.Route.Version, Operation: q.Route.Operation, Rules: q.Route.Rules, Match: q.Route.Match,
		ContractScopes: q.Route.ContractScopes, Object: q.Route.Object,
	}, nil)
	if err != nil {
		return nil, err
	}
	r := &request{attributes: q.Check, rules: rules, parameters: ast.NewTerm(parameters)}
	input := inputBuilder(&need{all: true})(r)
	if r.malformed != "" {
		return nil, errors.New(r.malformed)
	}
	if q.Identity == nil {
		return input, nil
	}
	whole, _ := input.Value.(ast.Object)
	name := ast.StringTerm("gatehouse")
	own, _ := whole.Get(name).Value.(ast.Object)
	own.Insert(ast.StringTerm("identity"), ast.NewTerm(identity))
	return ast.ObjectTerm(append(pairsBut(whole, name), [2]*ast.Term{name, ast.NewTerm(own)})...), nil
}

// pairsBut returns the members of an object without one.
func pairsBut(o ast.Object, name *ast.Term) [][2]*ast.Term {
	var pairs [][2]*ast.Term
	o.Foreach(func(k, v *ast.Term) {
		if !k.Equal(name) {
			pairs = append(pairs, [2]*ast.Term{k, v})
		}
	})
	return pairs
}

// try asks the policy once.
func (p *policy) try(ctx context.Context, of *gateway.Policy, input *ast.Term, trace bool) Trial {
	cancel := topdown.NewCancel()
	defer time.AfterFunc(trialLimit, cancel.Cancel).Stop()
	var value ast.Value
	query := topdown.NewQuery(p.query).WithQueryCompiler(p.queryCompiler).WithCompiler(p.compiler).WithStore(p.store).
		WithTransaction(p.txn).WithInput(input).WithCancel(cancel).WithBuiltins(p.builtins)
	steps := &stepTracer{of: of, input: input.Value}
	if trace {
		query = query.WithQueryTracer(steps).WithIndexing(false).WithEarlyExit(false) // So that every rule is asked.
	}
	began := time.Now()
	err := query.Iter(ctx, func(result topdown.QueryResult) error {
		if term := result[answer]; term != nil {
			value = term.Value
		}
		return nil
	})
	out := tried(value, err)
	out.Took, out.Steps = time.Since(began), steps.list()
	return out
}

// tried reads what a policy said, as a Check would.
func tried(value ast.Value, err error) Trial {
	out := Trial{Result: Failed.String()}
	switch {
	case topdown.IsCancel(err):
		out.Reason, out.Error = "timeout", "the policy did not answer in time"
		return out
	case err != nil:
		out.Reason, out.Error = "evaluation-error", oneLine(err.Error())
		return out
	case value == nil:
		out.Result, out.Reason, out.Status = Denied.String(), "undefined", 403
		return out
	}
	if text, err := ast.JSON(value); err == nil {
		out.Answer, _ = json.Marshal(text) // What a policy says is JSON.
	}
	d, err := readDecision(value)
	switch {
	case err != nil:
		out.Reason, out.Error = "wrong-type", err.Error()
	case d == nil:
		out.Result = Allowed.String()
	default:
		out.Result, out.Reason = d.result.String(), d.reason
		if d.result != Allowed {
			out.Status = d.status
		}
	}
	return out
}
