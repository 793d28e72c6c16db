package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// mostTests is how many comparisons a predicate may have: beyond that a call costs less than Envoy's looking at them all.
const mostTests = 200

// translator turns what partial evaluation leaves into a predicate. The first thing it has no words for ends it.
type translator struct {
	support  map[string][]*ast.Rule // Rules that partial evaluation made, by their reference.
	positive bool                   // Whether what is being translated stands under an even number of negations.
	depth    int
	tests    int
	why      string
}

// supportRules puts the rules of the modules that partial evaluation made in order.
func supportRules(modules []*ast.Module) map[string][]*ast.Rule {
	rules := map[string][]*ast.Rule{}
	for _, m := range modules {
		for _, rule := range m.Rules {
			name := m.Package.Path.Extend(rule.Head.Ref()).String()
			rules[name] = append(rules[name], rule)
		}
	}
	return rules
}

func (t *translator) fail(format string, args ...any) gateway.Predicate {
	if t.why == "" {
		t.why = fmt.Sprintf(format, args...)
	}
	return gateway.Predicate{Never: true}
}

// alternatives holds where one of the queries does.
func (t *translator) alternatives(queries []ast.Body) gateway.Predicate {
	var list []gateway.Predicate
	for _, q := range queries {
		if t.why != "" {
			break
		}
		list = append(list, t.conjunction(q))
	}
	return either(list)
}

// conjunction holds where every expression of a query does. A variable that stands in one place only says that something is
// there; one that stands in several would tie them together, of which Envoy knows nothing.
func (t *translator) conjunction(body ast.Body) gateway.Predicate {
	seen := map[ast.Var]int{}
	for _, expr := range body {
		ast.WalkVars(expr, func(v ast.Var) bool {
			if !v.Equal(ast.InputRootDocument.Value) && !v.Equal(ast.DefaultRootDocument.Value) {
				seen[v]++
			}
			return false
		})
		if expr.IsCall() { // Its name is a variable too.
			name, _ := expr.Operator()[0].Value.(ast.Var)
			seen[name] = 0
		}
	}
	for v, times := range seen {
		if times > 1 {
			return t.fail("it ties parts of the request together (%s)", strings.Trim(string(v), "_"))
		}
	}
	lists := searched(body)
	var list []gateway.Predicate
	for _, expr := range body {
		if tested, ok := arrayTest(expr); ok && lists[tested] {
			continue
		}
		list = append(list, t.expression(expr))
	}
	return all(list)
}

func (t *translator) expression(expr *ast.Expr) gateway.Predicate {
	if len(expr.With) > 0 {
		return t.fail("it uses with")
	}
	if expr.Negated {
		t.positive = !t.positive
		inner := t.expression(expr.ComplementNoWith())
		t.positive = !t.positive
		return all(append(t.arguments(expr), not(inner)))
	}
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		return t.truth(terms)
	case []*ast.Term:
		return t.call(terms[0].Value.String(), terms[1:])
	}
	return t.fail("it uses every")
}

// arguments holds where what a negated call is given is there. Rego looks at that before it calls, outside of the negation, so
// that "not startswith(input.x, ...)" does not hold where there is no input.x; a comparison for equality is no such call.
func (t *translator) arguments(expr *ast.Expr) []gateway.Predicate {
	if !expr.IsCall() || expr.Operator().String() == ast.Equality.Name {
		return nil
	}
	var there []gateway.Predicate
	for _, arg := range expr.Operands() {
		if _, ok := arg.Value.(ast.Ref); !ok {
			continue
		}
		s, why := subjectOf(arg)
		if why != "" {
			return []gateway.Predicate{t.fail("%s", why)}
		}
		there = append(there, t.there(s))
	}
	return there
}

// truth holds where a term is there and is not false.
func (t *translator) truth(term *ast.Term) gateway.Predicate {
	if constant, ok := term.Value.(ast.Boolean); ok {
		return gateway.Predicate{Never: !bool(constant)}
	}
	if rules, ok := t.support[term.Value.String()]; ok {
		return t.supported(rules)
	}
	s, why := subjectOf(term)
	if why != "" {
		return t.fail("%s", why)
	}
	if s.element {
		return t.fail("it looks at any element of a list")
	}
	holds := []gateway.Predicate{t.there(s)}
	if s.of == gateway.OfClaim && !s.textual && !s.scopes && !s.whole {
		holds = append(holds, not(t.test(s, gateway.OpEquals, false)))
	}
	return all(holds)
}

// supported holds where one of the rules that partial evaluation made for a name does.
func (t *translator) supported(rules []*ast.Rule) gateway.Predicate {
	if t.depth++; t.depth > 20 {
		return t.fail("its rules refer to one another too deeply")
	}
	defer func() { t.depth-- }()
	var list []gateway.Predicate
	for _, rule := range rules {
		if rule.Default && rule.Head.Value.Value.Compare(ast.Boolean(false)) == 0 {
			continue
		}
		if rule.Default || rule.Else != nil || len(rule.Head.Args) > 0 || rule.Head.RuleKind() != ast.SingleValue ||
			rule.Head.Value.Value.Compare(ast.Boolean(true)) != 0 {
			return t.fail("its rule %s is too intricate", rule.Head.Name)
		}
		list = append(list, t.conjunction(rule.Body))
	}
	return either(list)
}

// call holds where a call of a function has a value other than false.
func (t *translator) call(name string, args []*ast.Term) gateway.Predicate {
	if len(args) == 3 && args[2].Value.Compare(ast.Boolean(true)) == 0 {
		args = args[:2]
	}
	if len(args) != 2 {
		return t.fail("it calls %s", strings.TrimPrefix(name, guardedPrefix))
	}
	switch name {
	case ast.Equality.Name, ast.Equal.Name:
		return t.equals(args[0], args[1])
	case ast.NotEqual.Name:
		return t.differs(args[0], args[1])
	case ast.StartsWith.Name:
		return t.text(gateway.OpPrefix, args[0], args[1])
	case ast.EndsWith.Name:
		return t.text(gateway.OpSuffix, args[0], args[1])
	case ast.Contains.Name:
		return t.text(gateway.OpContains, args[0], args[1])
	case ast.AnyPrefixMatch.Name:
		return t.text(gateway.OpPrefix, args[0], args[1])
	case ast.AnySuffixMatch.Name:
		return t.text(gateway.OpSuffix, args[0], args[1])
	case ast.RegexMatch.Name:
		return t.regex(args[0], args[1])
	case ast.Member.Name:
		return t.member(args[0], args[1])
	case ast.NetCIDRContains.Name:
		return t.within(args[0], args[1])
	}
	return t.fail("it calls %s", strings.TrimPrefix(name, guardedPrefix))
}

// equals holds where a part of the request is a constant, or where it is there, if that is all that is asked.
func (t *translator) equals(a, b *ast.Term) gateway.Predicate {
	if ast.IsConstant(a.Value) {
		a, b = b, a
	}
	if rules, ok := t.support[a.Value.String()]; ok && b.Value.Compare(ast.Boolean(true)) == 0 {
		return t.supported(rules)
	}
	if _, ok := a.Value.(ast.Var); ok {
		a, b = b, a
	}
	s, why := subjectOf(a)
	if why != "" {
		return t.fail("%s", why)
	}
	if _, ok := b.Value.(ast.Var); ok {
		return t.there(s)
	}
	value, why := scalar(b)
	if why != "" {
		return t.fail("%s", why)
	}
	if s.scopes && !s.element {
		return t.fail("it compares a list as a whole")
	}
	return t.is(s, []any{value})
}

// is holds where a subject is one of the values, or its list holds one of them.
func (t *translator) is(s subject, values []any) gateway.Predicate {
	switch {
	case s.whole:
		return t.fail("it compares all claims at once")
	case s.scopes:
		return t.granted(values)
	case s.element:
		if !t.positive { // Of an object Rego would look at the values, and Envoy would not.
			return t.fail("it denies by an element of a list of the token")
		}
		return t.test(s, gateway.OpIncludes, values...)
	case s.of == gateway.OfAddress:
		return t.address(s, values)
	case s.textual || s.of != gateway.OfClaim:
		values = onlyTexts(values, !s.textual)
		if len(values) == 0 {
			return gateway.Predicate{Never: true}
		}
	}
	return t.test(s, gateway.OpEquals, values...)
}

// differs holds where a part of the request is there and is not a constant.
func (t *translator) differs(a, b *ast.Term) gateway.Predicate {
	if ast.IsConstant(a.Value) {
		a, b = b, a
	}
	s, why := subjectOf(a)
	if why != "" {
		return t.fail("%s", why)
	}
	value, why := scalar(b)
	if why != "" {
		return t.fail("%s", why)
	}
	if s.element || s.scopes || s.whole {
		return t.fail("it looks for what a list holds besides")
	}
	there := t.there(s)
	return all([]gateway.Predicate{there, not(t.is(s, []any{value}))})
}

// text compares a part of the request with constant texts.
func (t *translator) text(op gateway.Op, where, what *ast.Term) gateway.Predicate {
	s, why := subjectOf(where)
	if why != "" {
		return t.fail("%s", why)
	}
	if s.element || s.scopes || s.whole {
		return t.fail("it compares parts of what a list holds")
	}
	values, why := scalars(what)
	if why != "" {
		return t.fail("%s", why)
	}
	for _, v := range values {
		if text, ok := v.(string); !ok || text == "" {
			return t.fail("it compares with %v", v)
		}
	}
	if len(values) == 0 {
		return gateway.Predicate{Never: true}
	}
	if s.of == gateway.OfAddress {
		return t.addressText(s, op, values)
	}
	return t.test(s, op, values...)
}

func (t *translator) regex(pattern, where *ast.Term) gateway.Predicate {
	s, why := subjectOf(where)
	if why != "" {
		return t.fail("%s", why)
	}
	text, ok := pattern.Value.(ast.String)
	if !ok || s.element || s.scopes || s.whole {
		return t.fail("it calls %s", ast.RegexMatch.Name)
	}
	if s.of.Expressed() {
		return t.plainly(s, string(text))
	}
	if s.of == gateway.OfAddress {
		return t.fail("it compares %s with a regular expression", s.words())
	}
	whole, why := wholeText(string(text))
	if why != "" {
		return t.fail("%s", why)
	}
	return t.test(s, gateway.OpRegex, whole)
}

// member holds where a constant is in a list of the token, or a part of the request in a constant list.
func (t *translator) member(what, list *ast.Term) gateway.Predicate {
	if ast.IsConstant(list.Value) {
		s, why := subjectOf(what)
		if why != "" {
			return t.fail("%s", why)
		}
		if s.element || s.scopes || s.whole {
			return t.fail("it looks for elements of one list in another")
		}
		values, why := scalars(list)
		if why != "" {
			return t.fail("%s", why)
		}
		if len(values) == 0 {
			return gateway.Predicate{Never: true}
		}
		return t.is(s, values)
	}
	s, why := subjectOf(list)
	if why != "" {
		return t.fail("%s", why)
	}
	if s.element || s.of != gateway.OfClaim || s.textual || s.whole {
		return t.fail("it looks into what is no list")
	}
	value, why := scalar(what)
	if why != "" {
		return t.fail("%s", why)
	}
	s.element = !s.scopes
	return t.is(s, []any{value})
}

// there holds where a part of the request is there.
func (t *translator) there(s subject) gateway.Predicate {
	switch {
	case s.element:
		return t.fail("it looks at any element of a list")
	case s.scopes, s.whole: // They are there with every verified token, all of which name their issuer.
		return t.test(subject{of: gateway.OfClaim, path: []string{"iss"}}, gateway.OpPresent)
	case s.of == gateway.OfAddress:
		return t.test(s, gateway.OpWithin, "0.0.0.0/0", "::/0")
	case s.textual && !s.of.Expressed(): // What is empty is not there.
		return t.test(s, gateway.OpRegex, "(?s:.+)")
	}
	return t.test(s, gateway.OpPresent)
}

// granted holds where the token has one of the scopes: as a word of the claim scope or scp, or as an element of it.
func (t *translator) granted(values []any) gateway.Predicate {
	var list []gateway.Predicate
	for _, v := range values {
		scope, ok := v.(string)
		if !ok || scope == "" {
			continue // No scope is like that.
		}
		for _, claim := range []string{"scope", "scp"} {
			s := subject{of: gateway.OfClaim, path: []string{claim}}
			if word := wordOf(scope); word != "" {
				list = append(list, t.test(s, gateway.OpRegex, word))
			}
			list = append(list, t.test(s, gateway.OpIncludes, scope))
		}
	}
	return either(list)
}

func (t *translator) test(s subject, op gateway.Op, values ...any) gateway.Predicate {
	if t.tests += max(1, len(values)); t.tests > mostTests {
		return t.fail("it makes more than %d comparisons", mostTests)
	}
	if s.of == gateway.OfHeader && slices.ContainsFunc(values, marked) {
		return t.fail("it compares the header %s with a text that holds an exclamation mark", s.name)
	}
	return gateway.Predicate{Test: &gateway.Test{Of: s.of, Name: s.name, Path: s.path, Op: op, Values: values}}
}
