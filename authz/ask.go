package authz

import (
	"context"
	"errors"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// errSlow tells that a policy did not answer.
var errSlow = errors.New("the policy did not answer within the limit")

// ask evaluates a policy apart from any Check, at a time of the asker's: the value is nil where the answer is undefined.
func (p *policy) ask(ctx context.Context, input ast.Object, at time.Time, limit time.Duration) (value ast.Value, err error) {
	cancel := topdown.NewCancel()
	defer time.AfterFunc(limit, cancel.Cancel).Stop()
	err = topdown.NewQuery(p.query).WithQueryCompiler(p.queryCompiler).WithCompiler(p.compiler).WithStore(p.store).WithTransaction(p.txn).
		WithInput(ast.NewTerm(input)).WithCancel(cancel).WithTime(at).WithBuiltins(p.builtins).
		Iter(ctx, func(result topdown.QueryResult) error {
			if term := result[answer]; term != nil {
				value = term.Value
			}
			return nil
		})
	if topdown.IsCancel(err) {
		return nil, errSlow
	}
	return value, err
}
