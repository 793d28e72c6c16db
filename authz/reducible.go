package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// shape is what a deciding rule answers, as far as every answer is known: one value where its rules hold, and another, or
// nothing, where none does.
type shape struct {
	value    ast.Value // Of the rules; nil: there are none but the default.
	allowing bool      // The value allows, and what there is otherwise denies; or the other way round.
	constant bool      // Without rules: the default allows.
	reason   string    // Of the denials.
}

// shapeOf looks at the deciding rule and at all rules that it may use. why says what makes it irreducible.
//
// Partial evaluation asks whether a rule may have a value; evaluation also whether it has two, which is an error and
// denies. So every rule must be unable to have two. Nothing may depend on the time, or on what only evaluation knows.
func shapeOf(compiler *ast.Compiler, entry ast.Ref) (s shape, why string) {
	rules := compiler.GetRulesWithPrefix(entry)
	for _, rule := range rules {
		if !rule.Ref().Equal(entry) || len(rule.Head.Args) > 0 || rule.Head.RuleKind() != ast.SingleValue {
			return s, "its deciding rule has parts"
		}
	}
	if why := irreducible(compiler, rules); why != "" {
		return s, why
	}
	if why := reads(compiler); why != "" {
		return s, why
	}
	return answers(rules)
}

// answers reads what a deciding rule answers.
func answers(rules []*ast.Rule) (s shape, why string) {
	otherwise := deny(gateway.DenialUndefined)
	for _, rule := range rules {
		value := rule.Head.Value.Value
		if !ast.IsConstant(value) {
			return s, "its answer is computed"
		}
		if rule.Default {
			if otherwise, why = plainAnswer(value); why != "" {
				return s, why
			}
			continue
		}
		if s.value != nil && s.value.Compare(value) != 0 {
			return s, "it gives several answers"
		}
		s.value = value
	}
	if s.value == nil {
		s.constant = otherwise == nil || otherwise.result == Allowed
		s.allowing, s.reason = true, reasonOf(otherwise)
		return s, ""
	}
	held, why := plainAnswer(s.value)
	if why != "" {
		return s, why
	}
	s.allowing = held == nil || held.result == Allowed
	if allowsOtherwise := otherwise == nil || otherwise.result == Allowed; allowsOtherwise == s.allowing {
		return s, "it gives several reasons"
	}
	if s.allowing {
		s.reason = reasonOf(otherwise)
	} else {
		s.reason = reasonOf(held)
	}
	if !nameable(s.reason) {
		return s, "its reason cannot be told by Envoy"
	}
	return s, ""
}

func reasonOf(d *decision) string {
	if d == nil {
		return ""
	}
	return d.reason
}

// nameable reports whether Envoy can tell a reason: printable ASCII, and not long.
func nameable(reason string) bool {
	return len(reason) <= 128 && !strings.ContainsFunc(reason, func(c rune) bool { return c < ' ' || c > '~' })
}

// plainAnswer reads an answer that says no more than yes or no, and why.
func plainAnswer(value ast.Value) (*decision, string) {
	if o, ok := value.(ast.Object); ok {
		for _, k := range o.Keys() {
			if name, ok := k.Value.(ast.String); !ok || name != "allowed" && name != "reason" {
				return nil, fmt.Sprintf("its answer says %s", k)
			}
		}
		if reason := o.Get(ast.StringTerm("reason")); reason != nil {
			if _, ok := reason.Value.(ast.String); !ok {
				return nil, "its reason is no text"
			}
		}
	}
	d, err := readDecision(value)
	if err != nil {
		return nil, "its answer has the wrong type"
	}
	return d, ""
}

// irreducible says what about the rules that decide, and all rules that they use, cannot be evaluated without a request.
func irreducible(compiler *ast.Compiler, deciding []*ast.Rule) string {
	byName := map[string][]*ast.Rule{}
	seen := map[*ast.Rule]bool{}
	var visit func(rule *ast.Rule)
	visit = func(rule *ast.Rule) {
		if seen[rule] {
			return
		}
		seen[rule] = true
		name := rule.Ref().String()
		byName[name] = append(byName[name], rule)
		for next := range compiler.Graph.Dependencies(util.T(rule)) {
			if next, ok := next.(*ast.Rule); ok {
				visit(next)
			}
		}
	}
	for _, rule := range deciding {
		visit(rule)
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, rule := range byName[name] {
			if why := irreducibleRule(rule); why != "" {
				return why
			}
		}
		if why := ambiguous(byName[name]); why != "" {
			return why
		}
	}
	return ""
}

func irreducibleRule(rule *ast.Rule) (why string) {
	if rule.Else != nil {
		return "it uses else"
	}
	if !rule.Ref().IsGround() {
		return fmt.Sprintf("its rule %s makes an object", rule.Head.Name)
	}
	ast.WalkExprs(rule, func(expr *ast.Expr) bool {
		switch {
		case len(expr.With) > 0:
			why = "it uses with"
		case expr.IsEvery():
			why = "it uses every"
		case expr.IsCall():
			if name := strings.TrimPrefix(expr.Operator().String(), guardedPrefix); changing(name) {
				why = "it calls " + name
			}
		}
		return why != ""
	})
	if why == "" {
		ast.WalkTerms(rule, func(t *ast.Term) bool {
			if call, ok := t.Value.(ast.Call); ok && changing(strings.TrimPrefix(call[0].String(), guardedPrefix)) {
				why = "it calls " + strings.TrimPrefix(call[0].String(), guardedPrefix)
			}
			return why != ""
		})
	}
	return why
}

// changing reports whether a builtin function may answer otherwise at another time or place.
func changing(name string) bool {
	if b := ast.BuiltinMap[name]; b != nil && b.Nondeterministic {
		return true
	}
	for _, prefix := range []string{"time.", "io.jwt.", "rand.", "uuid.", "http.", "net.lookup", "opa.", "rego.", "trace"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// ambiguous says of the rules of one name whether it may have two values at once.
func ambiguous(rules []*ast.Rule) string {
	var value ast.Value
	several := 0
	for _, rule := range rules {
		if rule.Default || rule.Head.RuleKind() != ast.SingleValue {
			continue
		}
		several++
		if rule.Head.Value == nil || !ast.IsConstant(rule.Head.Value.Value) {
			value = nil
			if several > 1 || iterates(rule) {
				return fmt.Sprintf("its rule %s may have several values", rules[0].Head.Name)
			}
			continue
		}
		if several > 1 && (value == nil || value.Compare(rule.Head.Value.Value) != 0) {
			return fmt.Sprintf("its rule %s has several values", rules[0].Head.Name)
		}
		value = rule.Head.Value.Value
	}
	return ""
}

// iterates reports whether a rule may go over several things, and so find several values.
func iterates(rule *ast.Rule) bool {
	found := false
	ast.WalkRefs(rule.Body, func(ref ast.Ref) bool {
		if ref.HasPrefix(ast.InputRootRef) || ref.HasPrefix(ast.DefaultRootRef) || len(ref) > 1 {
			found = found || !ast.Ref(ref[1:]).IsGround()
		}
		return false
	})
	ast.WalkExprs(rule.Body, func(expr *ast.Expr) bool {
		found = found || expr.IsCall() && expr.Operator().String() == "walk"
		return false
	})
	return found
}

// reads says what of the input the policy reads that Envoy has no words for.
func reads(compiler *ast.Compiler) string {
	n := inputNeed(compiler.Modules)
	allowed := &need{}
	for _, path := range []ast.Ref{
		ast.MustParseRef("x.attributes.request.http.method"),
		ast.MustParseRef("x.attributes.request.http.path"),
		ast.MustParseRef("x.attributes.request.http.host"),
		ast.MustParseRef("x.attributes.request.http.headers"),
		ast.MustParseRef("x.attributes.source.address.socketAddress.address"),
		ast.MustParseRef("x.attributes.source.principal"),
		ast.MustParseRef("x.source_principal"),
		ast.MustParseRef("x.gatehouse.parameters"),
		ast.MustParseRef("x.gatehouse.identity.claims"),
		ast.MustParseRef("x.gatehouse.identity.scopes"),
		ast.MustParseRef("x.gatehouse.identity.subject"),
		ast.MustParseRef("x.gatehouse.identity.issuer"),
		ast.MustParseRef(`x.attributes.metadataContext.filterMetadata["` + envoy.MetadataJWT + `"].` + envoy.MetadataJWTClaims),
	} {
		allowed.add(path[1:])
	}
	return n.beyond(allowed, "input")
}

// beyond says the first part of a need that another does not cover.
func (n *need) beyond(allowed *need, path string) string {
	switch {
	case n == nil || !n.all && len(n.parts) == 0 || allowed != nil && allowed.all:
		return ""
	case n.all || allowed == nil:
		return "it reads " + path
	}
	names := make([]string, 0, len(n.parts))
	for name := range n.parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if why := n.parts[name].beyond(allowed.parts[name], path+"."+name); why != "" {
			return why
		}
	}
	return ""
}
