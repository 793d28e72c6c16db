package authz

import (
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse/gatehouse/gateway"
)

// Inspection is what a policy tells without a request.
type Inspection struct {
	Allows  bool // It allows a request of which its input says nothing.
	Default bool // Its deciding rule has a default, so that it always answers.
}

// inspectLimit bounds how long a policy may think about nothing.
const inspectLimit = time.Second

// Inspect looks at a policy of the table by itself. Of one that the table lacks it says nothing good or bad: ok is false.
func (t *Table) Inspect(p *gateway.Policy) (found Inspection, ok bool) {
	compiled := t.policies[contentOf(p)]
	if compiled == nil {
		return Inspection{}, false
	}
	for _, module := range compiled.compiler.Modules {
		for _, rule := range compiled.compiler.GetRulesWithPrefix(entryRef(module, p.Entry)) {
			found.Default = found.Default || rule.Default
		}
	}
	found.Allows = compiled.allowsNothing(p.With)
	return found, true
}

// allowsNothing reports whether a policy allows a request of which its input holds nothing but the parameters.
func (p *policy) allowsNothing(with map[string]any) bool {
	parameters, err := toObject(with)
	if err != nil {
		return false
	}
	told := ast.ObjectTerm([2]*ast.Term{ast.StringTerm("parameters"), ast.NewTerm(parameters)})
	cancel := topdown.NewCancel()
	defer time.AfterFunc(inspectLimit, cancel.Cancel).Stop()
	var value ast.Value
	err = topdown.NewQuery(p.query).WithQueryCompiler(p.queryCompiler).WithCompiler(p.compiler).WithStore(p.store).WithTransaction(p.txn).
		WithInput(ast.ObjectTerm([2]*ast.Term{ast.StringTerm("gatehouse"), told})).WithCancel(cancel).WithBuiltins(p.builtins).
		Iter(context.Background(), func(result topdown.QueryResult) error {
			if term := result[answer]; term != nil {
				value = term.Value
			}
			return nil
		})
	if err != nil || value == nil {
		return false
	}
	d, err := readDecision(value)
	return err == nil && (d == nil || d.result == Allowed)
}

// Format returns Rego as `opa fmt` writes it. The error says why it cannot be read.
func Format(source string) (string, error) {
	text, err := format.SourceWithOpts("policy.rego", []byte(source), format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		return "", fmt.Errorf("format Rego: %w", err)
	}
	return string(text), nil
}
