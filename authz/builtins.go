package authz

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse/gatehouse/gateway"
)

// forbidden returns the builtin functions that a policy may not use: those that leave the process, hold a request up, show
// what is not the policy's business, or make of little input more than any memory holds. http.send may be used by a Policy
// that lists hosts.
func forbidden() []string {
	return []string{"http.send", "net.lookup_ip_addr", "opa.runtime", "strings.render_template", "graph.reachable_paths"}
}

// capabilities returns what Rego of Gatehouse's own may use: everything of this OPA but what is forbidden, and no host to
// fetch schemas from.
func capabilities() *ast.Capabilities {
	c := policyCapabilities()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return b.Name == ast.HTTPSend.Name })
	return c
}

// policyCapabilities returns what policies and their tests may use: the same, and http.send, which asks only hosts that the
// Policy lists.
func policyCapabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return b.Name != ast.HTTPSend.Name && slices.Contains(forbidden(), b.Name)
	})
	return c
}

// forbiddenCalls returns where a module calls what it may not.
func forbiddenCalls(module *ast.Module, fetches bool) []mistake {
	var found []mistake
	ast.WalkRefs(module, func(ref ast.Ref) bool {
		name := ref.String()
		if !slices.Contains(forbidden(), name) || len(ref) < 2 || fetches && name == ast.HTTPSend.Name {
			return false
		}
		m := mistake{code: gateway.CodeRegoBuiltin, message: fmt.Sprintf(
			"%s may not be used: a decision must not depend on the network or on the process; give the policy what it needs as data or parameters", name)}
		if name == ast.HTTPSend.Name {
			m.message = "http.send may not be used, as the Policy lists no hosts: give it what it needs as data or parameters, or list under hosts whom it may ask"
		}
		if at := ref[0].Location; at != nil {
			m.row, m.column = at.Row, at.Col
		}
		found = append(found, m)
		return false
	})
	return found
}

// guardedPrefix stands before the name of a builtin function under which it is called by way of its guard.
const guardedPrefix = "gatehouse."

// guardedCompiler returns a compiler that leads each call of a guarded builtin function to its guard.
func guardedCompiler(allowed *ast.Capabilities) *ast.Compiler {
	g := guarding{guards()}
	return ast.NewCompiler().WithCapabilities(allowed).WithStageAfterID(ast.StageCheckDeprecatedBuiltins, ast.CompilerStageDefinition{
		Name: "GuardBuiltins", MetricName: "guard_builtins",
		Stage: func(c *ast.Compiler) (wrong *ast.Error) {
			for _, module := range c.Modules {
				ast.WalkExprs(module, func(x *ast.Expr) bool {
					if err := g.lead(x); err != nil && wrong == nil {
						wrong = err
					}
					return false
				})
			}
			return wrong
		},
	})
}

// guarding leads calls to guards.
type guarding struct{ guards map[string]guard }

// guarded returns the reference of the guard of a function, nil where it has none.
func (g guarding) guarded(function *ast.Term) *ast.Term {
	name := function.Value.String()
	if _, ok := g.guards[name]; ok || name == ast.HTTPSend.Name {
		return ast.NewTerm(ast.Ref{ast.VarTerm(guardedPrefix + name)}).SetLocation(function.Location)
	}
	return nil
}

// lead leads the call of an expression, and what stands in for functions in it.
func (g guarding) lead(x *ast.Expr) *ast.Error {
	if x.IsCall() {
		if to := g.guarded(x.OperatorTerm()); to != nil {
			x.SetOperator(to)
		}
	}
	for _, w := range x.With {
		if _, isRef := w.Value.Value.(ast.Ref); isRef && g.guarded(w.Value) != nil {
			return ast.NewError(ast.CompileErr, w.Location, "%v may not stand in for another function", w.Value)
		}
		if to := g.guarded(w.Target); to != nil {
			w.Target = to
		}
	}
	return nil
}

// builtinsOf returns the functions to which guarded calls of a policy lead.
func builtinsOf(hosts []string) map[string]*topdown.Builtin {
	all := make(map[string]*topdown.Builtin)
	for name, guard := range guards() {
		inner := topdown.GetBuiltin(name)
		all[guardedPrefix+name] = &topdown.Builtin{
			Decl: ast.BuiltinMap[name],
			Func: func(ctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
				if err := guard(operands); err != nil {
					return halt(name, ctx.Location, err)
				}
				return inner(ctx, operands, iter)
			},
		}
	}
	all[guardedPrefix+ast.HTTPSend.Name] = &topdown.Builtin{Decl: ast.HTTPSend, Func: newFetcher(hosts).send}
	return all
}

// testedBuiltins returns them for the tests of policies. Nobody is asked by http.send there: tests say what it answers.
func testedBuiltins() []*tester.Builtin {
	var all []*tester.Builtin
	for name, b := range builtinsOf(nil) {
		decl := &rego.Function{Name: name, Decl: b.Decl.Decl}
		all = append(all, &tester.Builtin{Decl: b.Decl, Func: rego.FunctionDyn(decl, func(ctx rego.BuiltinContext, operands []*ast.Term) (result *ast.Term, err error) {
			err = b.Func(ctx, operands, func(t *ast.Term) error {
				result = t
				return nil
			})
			return result, err
		})})
	}
	return all
}

// halt ends an evaluation: what a function may not be asked must not become a value that is merely undefined, as a policy may
// allow where something is not defined.
func halt(name string, at *ast.Location, err error) error {
	return topdown.Halt{Err: &topdown.Error{Code: topdown.BuiltinErr, Message: name + ": " + err.Error(), Location: at}}
}
