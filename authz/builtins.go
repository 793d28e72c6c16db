package authz

import (
	"fmt"
	"slices"
	"strings"

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

// newGuarding returns what leads calls to guards, for policies that may use so many functions. The guards are declared like what they
// guard, so that whoever checks types later knows them.
func newGuarding(allowed *ast.Capabilities) *guarding {
	declared := *allowed
	g := &guarding{guards: guards(), declared: &declared}
	declared.Builtins = slices.Clone(allowed.Builtins)
	for _, b := range allowed.Builtins {
		if _, ok := g.guards[b.Name]; ok || b.Name == ast.HTTPSend.Name {
			guard := *b
			guard.Name = guardedPrefix + b.Name
			declared.Builtins = append(declared.Builtins, &guard)
		}
	}
	return g
}

// guarding leads calls of guarded builtin functions to their guards. It is the same for any number of policies.
type guarding struct {
	guards   map[string]guard
	declared *ast.Capabilities // What policies may use, and the guards.
}

// fewer returns the same for a policy that uses no functions but those whose names stand in its text, or which need none there. Each
// compiler writes down for itself all functions that it knows, which is more than all else that a small policy is.
func (g *guarding) fewer(p *gateway.Policy) *guarding {
	texts := []string{p.Source}
	for _, other := range p.Imported {
		texts = append(texts, other.Source)
	}
	few := *g.declared
	few.Builtins = nil
	for _, b := range g.declared.Builtins {
		name := strings.TrimPrefix(b.Name, guardedPrefix)
		if b.Infix != "" || strings.HasPrefix(name, "internal.") ||
			slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, name) }) {
			few.Builtins = append(few.Builtins, b)
		}
	}
	return &guarding{guards: g.guards, declared: &few}
}

// compile compiles the modules of a policy. Data must not be where a rule is.
func (g *guarding) compile(p *gateway.Policy, modules map[string]*ast.Module, data func([]string) (bool, error)) *ast.Compiler {
	compiler := g.fewer(p).compiler().WithPathConflictsCheck(data)
	if compiler.Compile(modules); compiler.Failed() { // It is wrong, or spells a function in a way of its own: that is for one that knows all.
		compiler = g.compiler().WithPathConflictsCheck(data)
		compiler.Compile(modules)
	}
	return compiler
}

// compiler returns a compiler that leads each call of a guarded function to its guard.
func (g *guarding) compiler() *ast.Compiler {
	return ast.NewCompiler().WithCapabilities(g.declared).WithStageAfterID(ast.StageCheckDeprecatedBuiltins, ast.CompilerStageDefinition{
		Name: "GuardBuiltins", MetricName: "guard_builtins",
		Stage: func(c *ast.Compiler) *ast.Error {
			for _, module := range c.Modules {
				ast.WalkExprs(module, func(x *ast.Expr) bool {
					g.lead(x)
					return false
				})
			}
			return nil
		},
	})
}

// guarded returns the reference of the guard of a function, nil where it has none.
func (g *guarding) guarded(function *ast.Term) *ast.Term {
	name := function.Value.String()
	if _, ok := g.guards[name]; !ok && name != ast.HTTPSend.Name {
		return nil
	}
	b := ast.Builtin{Name: guardedPrefix + name}
	return ast.NewTerm(b.Ref()).SetLocation(function.Location)
}

// lead leads the call of an expression, and what stands in for functions in it, to guards.
func (g *guarding) lead(x *ast.Expr) {
	if x.IsCall() {
		if to := g.guarded(x.OperatorTerm()); to != nil {
			x.SetOperator(to)
		}
	}
	for _, w := range x.With {
		if to := g.guarded(w.Target); to != nil {
			w.Target = to
		}
		if _, isRef := w.Value.Value.(ast.Ref); isRef {
			if to := g.guarded(w.Value); to != nil {
				w.Value = to
			}
		}
	}
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
