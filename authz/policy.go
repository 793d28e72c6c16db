package authz

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/gatehouse/gatehouse/gateway"
)

// policy is one Rego module, compiled and ready to be evaluated by any number of goroutines.
type policy struct {
	compiler      *ast.Compiler
	query         ast.Body // answer = data.ENTRY
	queryCompiler ast.QueryCompiler
	store         storage.Store
	withoutData   bool // The store is empty.
	// txn is one read transaction for the policy's whole life: nothing ever writes to the store.
	txn   storage.Transaction
	input build[*request]

	bundled *bundled // It sees a bundle, and is another policy with each; nil: it does not.
}

// answer is the variable of the query that holds the decision.
const answer = ast.Var("answer")

// mistake is one thing wrong with the text of a policy.
type mistake struct {
	code        gateway.Code
	row, column int // In the policy's text, 1-based; 0: the text as a whole.
	message     string
}

// compilePolicy compiles the Rego of a document, which may use what is allowed. Nothing of the result depends on the document's name or place.
func compilePolicy(p *gateway.Policy, allowed *ast.Capabilities) (compiled *policy, mistakes []mistake) {
	defer func() {
		if r := recover(); r != nil {
			compiled, mistakes = nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the compiler failed (%v): simplify the policy", r)}}
		}
	}()
	module, err := ast.ParseModuleWithOpts("policy.rego", p.Source, ast.ParserOptions{
		RegoVersion:       ast.RegoV1,
		ProcessAnnotation: strings.Contains(p.Source, "rego.metadata."),
	})
	if err != nil {
		return nil, regoMistakes(err)
	}
	if found := forbiddenCalls(module); len(found) > 0 {
		return nil, found
	}
	data, err := toObject(p.Data)
	if err != nil {
		return nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the policy's data is not JSON: %v", err)}}
	}
	compiled, mistakes = prepare(module, inmem.NewFromASTObject(data), p.Entry, allowed)
	if compiled != nil {
		compiled.withoutData = data.Len() == 0
	}
	return compiled, mistakes
}

// prepare compiles a module and the query for its deciding rule.
func prepare(module *ast.Module, store storage.Store, entryPath string, allowed *ast.Capabilities) (*policy, []mistake) {
	ctx := context.Background()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the policy's data cannot be read: %v", err)}}
	}
	compiler := ast.NewCompiler().
		WithCapabilities(allowed).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
	compiler.Compile(map[string]*ast.Module{"policy.rego": module})
	if compiler.Failed() {
		return nil, regoMistakes(compiler.Errors)
	}
	entry := entryRef(module, entryPath)
	if len(compiler.GetRulesWithPrefix(entry)) == 0 {
		return nil, []mistake{{code: gateway.CodeRegoEntry, row: module.Package.Location.Row, column: module.Package.Location.Col, message: fmt.Sprintf(
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
			m.row, m.column = e.Location.Row, e.Location.Col
		}
		mistakes = append(mistakes, m)
	}
	return mistakes
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// forbidden returns the builtin functions that a policy may not use: those that leave the process, hold a request up, or
// show what is not the policy's business.
func forbidden() []string {
	return []string{"http.send", "net.lookup_ip_addr", "opa.runtime"}
}

// capabilities returns what policies may use: everything of this OPA but what is forbidden, and no host to fetch from.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return slices.Contains(forbidden(), b.Name) })
	return c
}

// forbiddenCalls returns where a module calls what it may not.
func forbiddenCalls(module *ast.Module) []mistake {
	var found []mistake
	ast.WalkRefs(module, func(ref ast.Ref) bool {
		if name := ref.String(); slices.Contains(forbidden(), name) && len(ref) > 1 {
			m := mistake{code: gateway.CodeRegoBuiltin, message: fmt.Sprintf(
				"%s may not be used: a decision must not depend on the network or on the process; give the policy what it needs as data or parameters", name)}
			if at := ref[0].Location; at != nil {
				m.row, m.column = at.Row, at.Col
			}
			found = append(found, m)
		}
		return false
	})
	return found
}
