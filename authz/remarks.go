package authz

import (
	"fmt"
	"slices"
	"strings"

	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/suggest"
)

// Codes of remarks. They are stable.
const (
	RemarkFault    = "RG00" // The Rego does not compile, or uses what policies may not.
	RemarkStrict   = "RG01" // What OPA's strict mode refuses: variables and imports that nothing uses, and the like.
	RemarkDefault  = "RG02" // The deciding rule has no default.
	RemarkGlob     = "RG03" // A glob that is compiled for each request, or whose rule cannot be found by an index.
	RemarkStatus   = "RG04" // A status that Envoy does not know.
	RemarkConstant = "RG05" // The decision depends on nothing.
	RemarkInput    = "RG06" // A part of input that no request has.
)

// Remark is what could bite in a policy that may compile well.
type Remark struct {
	Code    string        `json:"code"`
	Policy  string        `json:"policy"`
	Place   gateway.Place `json:"place"`
	Message string        `json:"message"`
}

// Examine looks a policy over without a request, and without the bundle that it may see. What does not compile is a remark too.
func Examine(p *gateway.Policy) []Remark {
	e := &examination{of: p}
	compiled, wrong := compileAlone(p)
	for _, m := range wrong {
		f := m.fault(p)
		e.found = append(e.found, Remark{RemarkFault, p.Name, f.Place, f.Message})
	}
	if compiled != nil && compiled.bundled != nil {
		compiled = compiled.bundled.alone()
	}
	if compiled == nil {
		return e.found
	}
	e.strict(p)
	module := compiled.compiler.Modules[mainModule]
	e.defaults(compiled, module)
	e.constant(module)
	ast.WalkExprs(module, func(x *ast.Expr) bool { e.glob(x); return false })
	ast.WalkTerms(module, func(t *ast.Term) bool { e.status(t); return false })
	ast.WalkRefs(module, func(r ast.Ref) bool { e.input(r); return false })
	slices.SortStableFunc(e.found, func(a, b Remark) int {
		return strings.Compare(fmt.Sprintf("%08d", a.Place.Line)+a.Code, fmt.Sprintf("%08d", b.Place.Line)+b.Code)
	})
	return slices.Compact(e.found)
}

// examination gathers the remarks on one policy.
type examination struct {
	of    *gateway.Policy
	found []Remark
}

func (e *examination) remark(code string, at *ast.Location, format string, args ...any) {
	place := gateway.Place{Source: e.of.Origin.Source, File: e.of.File, Line: max(e.of.Line, 1)}
	if at != nil {
		place.Line += at.Row - 1
	}
	e.found = append(e.found, Remark{code, e.of.Name, place, fmt.Sprintf(format, args...)})
}

// strict compiles the policy as OPA's strict mode does.
func (e *examination) strict(p *gateway.Policy) {
	modules, wrong := parseModules(p)
	if len(wrong) > 0 {
		return // It compiled a moment ago.
	}
	compiler := ast.NewCompiler().WithCapabilities(policyCapabilities()).WithStrict(true)
	compiler.Compile(modules)
	for _, err := range compiler.Errors {
		if err.Location != nil && importedModule(err.Location.File) != "" {
			continue // It is told of the policy itself.
		}
		e.remark(RemarkStrict, err.Location, "%s", oneLine(err.Message))
	}
}

func (e *examination) defaults(compiled *policy, module *ast.Module) {
	entry := entryRef(module, e.of.Entry)
	rules := compiled.compiler.GetRulesWithPrefix(entry)
	if len(rules) > 0 && !slices.ContainsFunc(rules, answersAlways) {
		e.remark(RemarkDefault, rules[0].Location,
			"%s has no default: where no rule holds the request is denied as undefined, without a reason of your own; write default %s := false", entry, rules[0].Head.Name)
	}
}

// answersAlways reports whether a rule has a value for every request: a default, or an else without a condition.
func answersAlways(r *ast.Rule) bool {
	for last := r; last != nil; last = last.Else {
		if last.Default || last.Else == nil && last != r && last.Body.Equal(ast.NewBody(ast.NewExpr(ast.BooleanTerm(true)))) {
			return true
		}
	}
	return false
}

func (e *examination) constant(module *ast.Module) {
	if need := inputNeed(map[string]*ast.Module{mainModule: module}); !need.all && len(need.parts) == 0 && !readsElsewhere(module) {
		e.remark(RemarkConstant, module.Package.Location, "nothing of the request is read: every request is decided alike")
	}
}

// readsElsewhere reports whether a module asks something beside the request: data, the clock.
func readsElsewhere(module *ast.Module) bool {
	found := false
	ast.WalkRefs(module, func(r ast.Ref) bool {
		found = found || r.HasPrefix(ast.DefaultRootRef) && len(r) > len(module.Package.Path)+1 && !r.HasPrefix(module.Package.Path) ||
			strings.HasPrefix(r.String(), "time.")
		return found
	})
	return found
}

// glob remarks globs whose pattern is made anew for each request.
func (e *examination) glob(x *ast.Expr) {
	if !x.IsCall() || x.Operator().String() != "glob.match" {
		return
	}
	pattern := x.Operand(0)
	if pattern == nil {
		return
	}
	if _, constant := pattern.Value.(ast.String); !constant {
		e.remark(RemarkGlob, x.Location, "the pattern of this glob is no constant: it cannot be indexed, and is compiled for each request that has another; "+
			"write a text, or compare with startswith and endswith")
	}
}

// status remarks constant statuses that Envoy does not know: it would answer 403.
func (e *examination) status(t *ast.Term) {
	object, ok := t.Value.(ast.Object)
	if !ok {
		return
	}
	status := object.Get(ast.StringTerm("http_status"))
	if status == nil {
		return
	}
	number, ok := status.Value.(ast.Number)
	if !ok {
		return
	}
	code, ok := number.Int()
	if _, known := typev3.StatusCode_name[int32(code)]; !ok || !known || code < 200 { //nolint:gosec // Whatever it wraps to is looked up.
		e.remark(RemarkStatus, status.Location, "Envoy does not know the status %s, and answers 403 in its place: write one of RFC 9110, section 15", number)
	}
}

// input remarks what no request has, one or two levels deep.
func (e *examination) input(r ast.Ref) {
	if !r.HasPrefix(ast.InputRootRef) || len(r) < 2 {
		return
	}
	known := inputParts()
	at := "input"
	for _, step := range r[1:] {
		name, ok := step.Value.(ast.String)
		if !ok || known == nil {
			return
		}
		below, there := known[string(name)]
		if !there {
			message := fmt.Sprintf("%s has no part %q", at, string(name))
			var names []string
			for n := range known {
				names = append(names, n)
			}
			if near, ok := suggest.Nearest(string(name), names); ok {
				message += fmt.Sprintf(": did you mean %q?", near)
			}
			e.remark(RemarkInput, r[0].Location, "%s", message)
			return
		}
		known, at = below, at+"."+string(name)
	}
}

// parts of the input document by name; nil where any name may be.
type inputNames map[string]inputNames

// inputParts returns what every input document may have, as inputBuilder makes it.
func inputParts() inputNames {
	return inputNames{
		"attributes": {
			"source": nil, "destination": nil, "contextExtensions": nil, "metadataContext": nil, "routeMetadataContext": nil, "tlsSession": nil,
			"request": {"time": nil, "http": {
				"id": nil, "method": nil, "headers": nil, "headerMap": nil, "path": nil, "host": nil, "scheme": nil, "query": nil,
				"fragment": nil, "size": nil, "protocol": nil, "body": nil, "rawBody": nil,
			}},
		},
		"parsed_path": nil, "parsed_query": nil, "parsed_body": nil, "truncated_body": nil, "version": nil, "source_principal": nil,
		"gatehouse": {
			"api": nil, "version": nil, "operation": nil, "rules": nil, "path": nil, "contract": nil, "parameters": nil,
			"identity": {
				"kind": nil, "issuer": nil, "subject": nil, "consumer": nil, "application": nil, "plan": nil, "credential": nil,
				"scopes": nil, "roles": nil, "claims": nil,
			},
		},
	}
}
