package authz

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// The names under which modules are compiled: that of the policy itself, and what stands before the names of those it imports.
const (
	mainModule      = "policy.rego"
	importedModules = "imports/"
)

// parseModules returns the modules of a policy: its own and those of all that it imports.
func parseModules(p *gateway.Policy) (map[string]*ast.Module, []mistake) {
	modules := make(map[string]*ast.Module, 1+len(p.Imported))
	mistakes := parseModule(modules, mainModule, p)
	for _, other := range p.Imported {
		mistakes = append(mistakes, parseModule(modules, importedModules+other.Name, other)...)
	}
	return modules, mistakes
}

// parseModule adds one module to those of a policy.
func parseModule(modules map[string]*ast.Module, name string, p *gateway.Policy) []mistake {
	module, err := ast.ParseModuleWithOpts(name, p.Source, ast.ParserOptions{
		RegoVersion:       ast.RegoV1,
		ProcessAnnotation: strings.Contains(p.Source, "rego.metadata."),
	})
	if err != nil {
		found := regoMistakes(err)
		for i := range found {
			found[i].imported = importedModule(name)
		}
		return found
	}
	modules[name] = module
	found := forbiddenCalls(module, len(p.Hosts) > 0)
	for i := range found {
		found[i].imported = importedModule(name)
	}
	return found
}

// importedModule returns the Policy that a module's name is made of, empty for the policy itself.
func importedModule(name string) string {
	if imported, ok := strings.CutPrefix(name, importedModules); ok {
		return imported
	}
	return ""
}

// fault places a mistake in the file of a document that has it. What is wrong in an imported Policy is told at the import: at
// its own place it is told of that Policy.
func (m mistake) fault(p *gateway.Policy) gateway.Fault {
	f := gateway.Fault{
		Code: m.code, Place: p.Origin.At("rego"), Object: gateway.Ref{Kind: gateway.KindPolicy, Name: p.Name}, Message: m.message,
	}
	switch {
	case m.imported != "":
		f.Place, f.Field = p.Origin.At("imports"), "imports"
		f.Message = fmt.Sprintf("the Policy %s, which this one imports, does not compile with it: line %d: %s", m.imported, m.row, m.message)
	case m.field != "":
		f.Place, f.Field = p.Origin.At(m.field), m.field
	case m.row > 0 && p.File != "":
		f.Place = gateway.Place{Source: p.Origin.Source, File: p.File, Line: max(p.Line, 1) + m.row - 1}
		if p.File != p.Origin.File { // A block inside a document is indented by what only the document's loader knows.
			f.Place.Column = m.column
		}
	}
	return f
}
