package authz

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse/gatehouse/gateway"
)

// policy is a Rego module with those it imports, compiled and ready to be evaluated by any number of goroutines.
type policy struct {
	compiler      *ast.Compiler
	query         ast.Body // answer = data.ENTRY
	queryCompiler ast.QueryCompiler
	store         storage.Store
	withoutData   bool // The store is empty.
	// txn is one read transaction for the policy's whole life: nothing ever writes to the store.
	txn         storage.Transaction
	input       build[*request]
	limit       time.Duration // 0: the service's.
	descriptors *Descriptors  // nil: bodies of gRPC calls are not read.
	builtins    map[string]*topdown.Builtin
	fetches     bool // http.send may be called.
	run         *running
	tokens      string         // Tells the tokens that it verified from those of others; empty: it verifies them each time.
	asking      *topdown.Query // What is the same in all evaluations.

	bundled *bundled // It sees a bundle, and is another policy with each; nil: it does not.
}

// answer is the variable of the query that holds the decision.
const answer = ast.Var("answer")

// mistake is one thing wrong with a policy.
type mistake struct {
	code        gateway.Code
	row, column int // In the policy's text, 1-based; 0: the text as a whole.
	message     string
	imported    string // The Policy whose text it is, where that is not the policy itself.
	field       string // Of the document, where it is not the text.
}

// compilePolicy compiles the Rego of a document. Nothing of the result depends on the document's name or place.
func (c *compiling) compilePolicy(p *gateway.Policy) (compiled *policy, mistakes []mistake) {
	defer func() {
		if r := recover(); r != nil {
			compiled, mistakes = nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the compiler failed (%v): simplify the policy", r)}}
		}
	}()
	if p.Bundle != "" {
		return newBundled(p)
	}
	modules, mistakes := parseModules(p)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	data, err := c.data.of(p)
	if err != nil {
		return nil, []mistake{{code: gateway.CodeRego, message: err.Error(), field: "data"}}
	}
	described, err := ReadDescriptors(p.Descriptors)
	if err != nil {
		return nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the descriptors cannot be read: %v", err), field: "descriptors"}}
	}
	tokens := tokenScope(modules) // Before compiling rewrites them.
	compiled, mistakes = prepare(p, modules, inmem.NewFromASTObject(data), c.guarding)
	if compiled != nil {
		compiled.tokens = tokens
		compiled.withoutData = data.Len() == 0
		compiled.limit, compiled.descriptors = p.Limit, described
		compiled.builtins, compiled.fetches = c.builtins, len(p.Hosts) > 0
		if compiled.fetches {
			compiled.builtins = builtinsOf(p.Hosts)
		}
		compiled.run = newRunning()
		compiled.prepareQuery()
	}
	return compiled, mistakes
}

// prepare compiles modules and the query for the rule that decides.
func prepare(p *gateway.Policy, modules map[string]*ast.Module, store storage.Store, g *guarding) (*policy, []mistake) {
	ctx := context.Background()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the policy's data cannot be read: %v", err)}}
	}
	compiler := g.compile(p, modules, storage.NonEmpty(ctx, store, txn))
	if compiler.Failed() {
		return nil, regoMistakes(compiler.Errors)
	}
	main := modules[mainModule]
	entry := entryRef(main, p.Entry)
	if len(compiler.GetRulesWithPrefix(entry)) == 0 {
		return nil, []mistake{{code: gateway.CodeRegoEntry, row: main.Package.Location.Row, column: main.Package.Location.Col, message: fmt.Sprintf(
			"the policy has no rule %s, which is to decide: write it, or name another rule under entry", entry)}}
	}
	queryCompiler := compiler.QueryCompiler()
	query, err := queryCompiler.Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(answer), ast.NewTerm(entry))))
	if err != nil {
		return nil, regoMistakes(err)
	}
	return &policy{
		compiler: compiler, query: query, queryCompiler: queryCompiler, store: store, txn: txn,
		input: inputBuilder(inputNeed(compiler.Modules)),
	}, nil
}

// prepareQuery makes what every evaluation begins with.
func (p *policy) prepareQuery() {
	p.asking = topdown.NewQuery(p.query).
		WithQueryCompiler(p.queryCompiler).
		WithCompiler(p.compiler).
		WithStore(p.store).
		WithTransaction(p.txn).
		WithMetrics(metrics.NoOp()).
		WithBuiltins(p.builtins)
}

// settle lets go of what only compiling needs: the types of all builtin functions, above all, which each compiler writes down for
// itself. That is most of what a small policy takes, and the garbage collector looks at all of it whenever it looks at anything.
func (p *policy) settle() {
	if p.compiler == nil { // It waits for its bundle.
		return
	}
	replaces := false
	for _, module := range p.compiler.Modules {
		ast.WalkWiths(module, func(*ast.With) bool {
			replaces = true
			return true
		})
	}
	if !replaces { // What "with" replaces is looked up among the types.
		p.compiler.TypeEnv = nil
	}
	p.compiler.ModuleTree, p.compiler.Graph, p.compiler.Required = nil, nil, nil
	p.queryCompiler = nil // The query has no variables of its own but the answer, and it holds on to the types.
	p.prepareQuery()
}

// entryRef returns the reference of the deciding rule.
func entryRef(module *ast.Module, path string) ast.Ref {
	path = strings.Trim(path, "/")
	if path == "" {
		return module.Package.Path.Append(ast.StringTerm("allow"))
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for part := range strings.SplitSeq(path, "/") {
		ref = ref.Append(ast.StringTerm(part))
	}
	return ref
}

// regoMistakes spreads OPA's errors.
func regoMistakes(err error) []mistake {
	list, ok := err.(ast.Errors) //nolint:errorlint // OPA returns the list itself, never wrapped.
	if !ok {
		message := oneLine(err.Error())
		if strings.Contains(message, "empty module") {
			message = "the policy is empty: begin it with a package"
		}
		return []mistake{{code: gateway.CodeRego, message: message}}
	}
	var mistakes []mistake
	for _, e := range list {
		m := mistake{code: gateway.CodeRego, message: oneLine(e.Message)}
		if e.Location != nil {
			m.row, m.column, m.imported = e.Location.Row, e.Location.Col, importedModule(e.Location.File)
		}
		mistakes = append(mistakes, m)
	}
	return mistakes
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
