package authz

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/gateway"
)

// SetOptions say how a set of policies is asked.
type SetOptions struct {
	Path     string // Of the deciding rule, "envoy/authz/allow".
	SkipBody bool   // parsed_body and truncated_body are left out of the input.
	Logged   bool   // There is a decision log, which holds the whole input.
	Mask     string // The rule that says what the log leaves out; empty: "system/log/mask".
	Drop     string // The rule that says which decisions the log leaves out; empty: "system/log/drop".
	// Descriptors are those by which bodies of gRPC calls are read; nil: they are not.
	Descriptors *Descriptors
}

// Set is policies and data, compiled and ready for a Standalone. It is immutable.
type Set struct {
	policy  *policy
	query   ast.Ref
	path    string
	bundles map[string]string // Name to revision.

	mask, drop *policy // nil: there is no such rule.
}

// CompileSet makes a set from bundles, of which no two own the same part of data. The faults name file and line.
func CompileSet(bundles []*bundle.Bundle, o SetOptions) (*Set, gateway.Faults) {
	merged, err := bundle.Merge(bundles)
	if err != nil {
		return nil, gateway.Faults{{Code: gateway.CodeRego, Message: err.Error()}}
	}
	query, err := PathRef(o.Path)
	if err != nil {
		return nil, gateway.Faults{{Code: gateway.CodeRego, Message: err.Error()}}
	}
	base, faults := compileModules(merged)
	if faults != nil {
		return nil, faults
	}
	set := &Set{query: query, path: strings.Trim(o.Path, "/"), bundles: map[string]string{}}
	for _, b := range bundles {
		if b.Name != "" {
			set.bundles[b.Name] = b.Revision
		}
	}
	fields := pluginFields()
	if o.SkipBody {
		fields = slices.DeleteFunc(fields, func(f field[*request]) bool { return f.name == "parsed_body" || f.name == "truncated_body" })
	}
	n := inputNeed(base.compiler.Modules)
	if o.Logged {
		n = &need{all: true}
	}
	base.input, base.descriptors = object(n, fields...), o.Descriptors
	if !base.answers(query) {
		return nil, gateway.Faults{{Code: gateway.CodeRegoEntry, Message: fmt.Sprintf("no policy has the rule %s, which is to decide: write it, or name another one as the path", query)}}
	}
	if set.policy, err = base.askingFor(query); err != nil {
		return nil, gateway.Faults{{Code: gateway.CodeRegoEntry, Message: err.Error()}}
	}
	if o.Logged {
		set.mask, set.drop = base.optional(o.Mask, "system/log/mask"), base.optional(o.Drop, "system/log/drop")
	}
	return set, nil
}

// PathRef returns the reference that a path names: "envoy/authz/allow", or "data.envoy.authz.allow".
func PathRef(path string) (ast.Ref, error) {
	if strings.HasPrefix(path, "data.") || strings.HasPrefix(path, "data[") {
		ref, err := ast.ParseRef(path)
		if err != nil || !ref.IsGround() {
			return nil, fmt.Errorf("the query %q is no reference to a rule: only one can be asked", path)
		}
		return ref, nil
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		if number, err := strconv.Atoi(part); err == nil {
			ref = append(ref, ast.InternedTerm(number))
		} else {
			ref = append(ref, ast.StringTerm(part))
		}
	}
	if len(ref) == 1 {
		return nil, errors.New("the path of the deciding rule is empty: give one, such as envoy/authz/allow")
	}
	return ref, nil
}

// compileModules compiles all modules of a bundle against its data. The policy it returns asks nothing yet.
func compileModules(b *bundle.Bundle) (compiled *policy, faults gateway.Faults) {
	defer func() {
		if cause := recover(); cause != nil {
			compiled, faults = nil, gateway.Faults{{Code: gateway.CodeRego, Message: fmt.Sprintf("the compiler failed (%v): simplify the policy", cause)}}
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(b.Modules)) {
		for _, m := range forbiddenCalls(b.Modules[name], false) {
			if !strings.HasPrefix(m.message, "opa.runtime ") {
				faults = append(faults, m.at(name))
			}
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	data, err := toObject(b.Data)
	if err != nil {
		return nil, gateway.Faults{{Code: gateway.CodeRego, Message: fmt.Sprintf("the data is not JSON: %v", err)}}
	}
	ctx := context.Background()
	store := inmem.NewFromASTObject(data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, gateway.Faults{{Code: gateway.CodeRego, Message: fmt.Sprintf("the data cannot be read: %v", err)}}
	}
	compiler := newGuarding(standaloneCapabilities()).compiler().WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
	compiler.Compile(b.Modules)
	if compiler.Failed() {
		for _, e := range compiler.Errors {
			faults = append(faults, misplaced(e))
		}
		return nil, faults
	}
	return &policy{compiler: compiler, store: store, txn: txn, withoutData: data.Len() == 0, builtins: builtinsOf(nil), run: newRunning()}, nil
}

// standaloneCapabilities returns what policies of a Standalone may use: also opa.runtime, which tells nothing here.
func standaloneCapabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return b.Name != "opa.runtime" && slices.Contains(forbidden(), b.Name)
	})
	return c
}

// askingFor returns a policy of the same modules and data that asks for one rule or document.
func (p *policy) askingFor(query ast.Ref) (*policy, error) {
	own := *p
	own.queryCompiler = p.compiler.QueryCompiler()
	body, err := own.queryCompiler.Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(answer), ast.NewTerm(query))))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be asked: %w", query, err)
	}
	own.query = body
	own.prepareQuery()
	return &own, nil
}

// answers reports whether there are rules or data behind a reference.
func (p *policy) answers(query ast.Ref) bool {
	if len(p.compiler.GetRulesWithPrefix(query)) > 0 || len(p.compiler.GetRulesForVirtualDocument(query)) > 0 {
		return true
	}
	path, err := storage.NewPathForRef(query)
	if err != nil {
		return false
	}
	_, err = p.store.Read(context.Background(), p.txn, path)
	return err == nil
}

// optional returns the policy that asks for a rule, or nil where there is none.
func (p *policy) optional(path, otherwise string) *policy {
	if path == "" {
		path = otherwise
	}
	query, err := PathRef(path)
	if err != nil || len(p.compiler.GetRulesWithPrefix(query)) == 0 {
		return nil
	}
	asking, err := p.askingFor(query)
	if err != nil {
		return nil
	}
	return asking
}

// at places a mistake in a file.
func (m mistake) at(file string) gateway.Fault {
	return gateway.Fault{Code: m.code, Place: gateway.Place{File: file, Line: m.row, Column: m.column}, Message: m.message}
}

// misplaced returns the fault that an error of the compiler is.
func misplaced(e *ast.Error) gateway.Fault {
	f := gateway.Fault{Code: gateway.CodeRego, Message: oneLine(e.Message)}
	if e.Location != nil {
		f.Place = gateway.Place{File: e.Location.File, Line: e.Location.Row, Column: e.Location.Col}
	}
	return f
}
