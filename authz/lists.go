package authz

import "github.com/open-policy-agent/opa/v1/ast"

// searched returns the parts of the request in which a query looks for a constant, as in a list. Envoy finds nothing in what is no
// list, so that to ask besides whether they are lists says nothing more.
func searched(body ast.Body) map[string]bool {
	var found map[string]bool
	for _, expr := range body {
		if expr.Negated || len(expr.With) > 0 || !expr.IsCall() || expr.Operator().String() != ast.Member.Name {
			continue
		}
		args := expr.Operands()
		if _, ok := args[1].Value.(ast.Ref); !ok || !ast.IsConstant(args[0].Value) {
			continue
		}
		if found == nil {
			found = map[string]bool{}
		}
		found[args[1].String()] = true
	}
	return found
}

// arrayTest returns the part of the request of which an expression asks whether it is a list.
func arrayTest(expr *ast.Expr) (string, bool) {
	if expr.Negated || len(expr.With) > 0 || !expr.IsCall() || expr.Operator().String() != ast.IsArray.Name {
		return "", false
	}
	return expr.Operand(0).String(), true
}
