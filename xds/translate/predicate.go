package translate

import (
	"net/netip"
	"slices"
	"strings"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// The pseudo-headers of which predicates speak.
const (
	headerMethod    = ":method"
	headerTarget    = ":path"
	headerAuthority = ":authority"
)

// addPolicies refuses what the policies of one mode deny that Envoy decides by itself.
func (r refusals) addPolicies(route *gateway.Route, mode gateway.Mode) {
	for _, p := range route.Native() {
		if p.Mode != mode {
			continue
		}
		name := envoy.PolicyRefusal(p.Policy.Name, p.Reason)
		r.unlessPredicate(name, p.Native)
		for _, odd := range unreadable(p.Native) {
			r.when(name, odd)
		}
	}
}

// unlessPredicate refuses where a predicate does not hold. One that Envoy does not know never holds.
func (r refusals) unlessPredicate(name string, p *gateway.Predicate) {
	clauses, ok := (&gateway.Predicate{Not: p}).Clauses()
	if !ok || !sayable(p) {
		r.when(name, anybody())
		return
	}
	for _, c := range clauses {
		r[name] = append(r[name], condition{matched: saying(&c.Matched), expressed: expressing(&c.Expressed)})
	}
}

func saying(p *gateway.Predicate) *rbacconfigv3.Principal {
	list := func(all []gateway.Predicate) []*rbacconfigv3.Principal {
		out := make([]*rbacconfigv3.Principal, len(all))
		for i := range all {
			out[i] = saying(&all[i])
		}
		return out
	}
	switch {
	case p.Never:
		return not(anybody())
	case len(p.All) > 0:
		return allOf(list(p.All))
	case len(p.Any) > 0:
		return anyOf(list(p.Any))
	case p.Not != nil:
		return not(saying(p.Not))
	case p.Test != nil:
		return test(p.Test)
	}
	return anybody()
}

// sayable reports whether every test of a predicate is one that Envoy knows.
func sayable(p *gateway.Predicate) bool {
	known := true
	p.Walk(func(t *gateway.Test) {
		if t.Of.Expressed() {
			known = known && expressible(t)
		} else {
			known = known && test(t) != nil
		}
	})
	return known
}

// test returns one comparison; nil where Envoy cannot make it.
func test(t *gateway.Test) *rbacconfigv3.Principal {
	switch t.Of {
	case gateway.OfMethod:
		return headerTest(headerMethod, t)
	case gateway.OfTarget:
		return headerTest(headerTarget, t)
	case gateway.OfHost:
		return headerTest(headerAuthority, t)
	case gateway.OfPath:
		return oneTest(t, textForm, func(m *matcherv3.StringMatcher) *rbacconfigv3.Principal {
			return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_UrlPath{UrlPath: &matcherv3.PathMatcher{
				Rule: &matcherv3.PathMatcher_Path{Path: m},
			}}}
		})
	case gateway.OfClaim:
		return claimTest(t)
	case gateway.OfAddress:
		return addressTest(t)
	}
	return nil
}

func headerTest(name string, t *gateway.Test) *rbacconfigv3.Principal {
	if t.Op == gateway.OpPresent {
		return headerThere(name)
	}
	return oneTest(t, textForm, func(m *matcherv3.StringMatcher) *rbacconfigv3.Principal { return header(name, m) })
}

// claimTest compares a claim: whatever kind of value it is, or the elements of the list that it is.
func claimTest(t *gateway.Test) *rbacconfigv3.Principal {
	switch t.Op {
	case gateway.OpPresent:
		return claim(present(), t.Path...)
	case gateway.OpEquals:
		return oneTest(t, valueForm, func(m *matcherValue) *rbacconfigv3.Principal { return claim(m, t.Path...) })
	case gateway.OpIncludes:
		return oneTest(t, valueForm, func(m *matcherValue) *rbacconfigv3.Principal { return claim(listHolding(m), t.Path...) })
	}
	return oneTest(t, textForm, func(m *matcherv3.StringMatcher) *rbacconfigv3.Principal { return claim(text(m), t.Path...) })
}

func addressTest(t *gateway.Test) *rbacconfigv3.Principal {
	if t.Op != gateway.OpWithin {
		return nil
	}
	return oneTest(t, func(_ gateway.Op, v any) *netip.Prefix {
		text, _ := v.(string)
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil
		}
		return &prefix
	}, func(p *netip.Prefix) *rbacconfigv3.Principal { return openedFrom(*p) })
}

// oneTest holds where one of the values fits. form returns nil for a value that cannot be compared so.
func oneTest[M any](t *gateway.Test, form func(gateway.Op, any) *M, holds func(*M) *rbacconfigv3.Principal) *rbacconfigv3.Principal {
	if len(t.Values) == 0 {
		return nil
	}
	var any []*rbacconfigv3.Principal
	for _, v := range t.Values {
		m := form(t.Op, v)
		if m == nil {
			return nil
		}
		any = append(any, holds(m))
	}
	return anyOf(any)
}

func textForm(op gateway.Op, value any) *matcherv3.StringMatcher {
	text, ok := value.(string)
	if !ok || text == "" && op != gateway.OpEquals {
		return nil
	}
	switch op {
	case gateway.OpEquals:
		return literally(text)
	case gateway.OpPrefix:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: text}}
	case gateway.OpSuffix:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: text}}
	case gateway.OpContains:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Contains{Contains: text}}
	case gateway.OpRegex:
		return expression(text)
	}
	return nil
}

func valueForm(_ gateway.Op, value any) *matcherValue {
	switch v := value.(type) {
	case string:
		return exactly(v)
	case bool:
		return &matcherValue{MatchPattern: &matcherv3.ValueMatcher_BoolMatch{BoolMatch: v}}
	case float64:
		return &matcherValue{MatchPattern: &matcherv3.ValueMatcher_DoubleMatch{
			DoubleMatch: &matcherv3.DoubleMatcher{MatchPattern: &matcherv3.DoubleMatcher_Exact{Exact: v}},
		}}
	}
	return nil
}

// utf8Text is UTF-8 (RFC 3629, section 4) in Envoy's expressions, which are over bytes.
const utf8Text = `(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|` +
	`\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*`

// unreadable returns, for each header that a predicate compares so that it matters, a condition that holds where the header is
// not UTF-8. A policy would see exclamation marks in place of such bytes, and Envoy the bytes: such a request is refused.
func unreadable(p *gateway.Predicate) []*rbacconfigv3.Principal {
	var names []string
	p.Walk(func(t *gateway.Test) {
		name := map[gateway.Attribute]string{gateway.OfTarget: headerTarget, gateway.OfHost: headerAuthority}[t.Of]
		marked := slices.ContainsFunc(t.Values, func(v any) bool { text, _ := v.(string); return strings.Contains(text, "!") })
		if name != "" && (t.Op == gateway.OpRegex || marked) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	})
	var out []*rbacconfigv3.Principal
	for _, name := range names {
		out = append(out, allOf([]*rbacconfigv3.Principal{headerThere(name), not(header(name, expression(utf8Text)))}))
	}
	return out
}
