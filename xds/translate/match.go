package translate

import (
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// match returns a route's own conditions. The lookup has narrowed the candidates by prefix; these decide among them.
func match(m *gateway.Match) *routev3.RouteMatch {
	out := &routev3.RouteMatch{}
	switch literal := m.Path.Literal(); {
	case m.Path.Prefix && literal == "" && len(m.Path.Segments) == 0:
		out.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: "/"}
	case m.Path.Exact():
		out.PathSpecifier = &routev3.RouteMatch_Path{Path: m.Path.String()}
	case m.Path.Prefix && literal == strings.TrimSuffix(m.Path.String(), "/**"):
		out.PathSpecifier = &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: literal}
	default:
		out.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.Path.Expression()}}
	}
	if len(m.Methods) > 0 {
		out.Headers = append(out.Headers, methodMatcher(m.Methods))
	}
	for _, c := range m.Headers {
		out.Headers = append(out.Headers, headerMatcher(c))
	}
	for _, c := range m.Cookies {
		out.Cookies = append(out.Cookies, cookieMatcher(c))
	}
	for _, c := range m.Query {
		out.QueryParameters = append(out.QueryParameters, queryMatcher(c))
	}
	return out
}

func methodMatcher(methods []string) *routev3.HeaderMatcher {
	m := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: methods[0]}}
	if len(methods) > 1 {
		quoted := make([]string, len(methods))
		for i, name := range methods {
			quoted[i] = regexp.QuoteMeta(name)
		}
		m.MatchPattern = &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: strings.Join(quoted, "|")}}
	}
	return &routev3.HeaderMatcher{Name: ":method", HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

// compared returns how a condition compares a value; nil where it asks for presence or absence alone.
func compared(c gateway.Condition) *matcherv3.StringMatcher {
	matches := func(expression string) *matcherv3.StringMatcher {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: expression}}}
	}
	switch {
	case c.How == gateway.ByPrefix:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: c.Value}}
	case c.How == gateway.ByRegex:
		return matches(c.Value)
	case c.How == gateway.ByDefault:
		return matches("|" + regexp.QuoteMeta(c.Value))
	case c.How == gateway.ByAbsence, c.Value == "":
		return nil
	}
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: c.Value}}
}

func headerMatcher(c gateway.Condition) *routev3.HeaderMatcher {
	m := compared(c)
	if m == nil {
		return &routev3.HeaderMatcher{Name: c.Name, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: c.How != gateway.ByAbsence}}
	}
	return &routev3.HeaderMatcher{
		Name: c.Name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}, TreatMissingHeaderAsEmpty: c.How == gateway.ByDefault,
	}
}

// cookieMatcher returns a condition on a cookie. Envoy has no word for presence: every value will do, or, turned round, none.
func cookieMatcher(c gateway.Condition) *routev3.CookieMatcher {
	m := compared(c)
	if m == nil {
		m = compared(gateway.Condition{How: gateway.ByRegex, Value: "(?s:.*)"})
	}
	return &routev3.CookieMatcher{Name: c.Name, StringMatch: m, InvertMatch: c.How == gateway.ByAbsence}
}

func queryMatcher(c gateway.Condition) *routev3.QueryParameterMatcher {
	m := compared(c)
	if m == nil {
		return &routev3.QueryParameterMatcher{
			Name: c.Name, QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_PresentMatch{PresentMatch: c.How != gateway.ByAbsence},
		}
	}
	return &routev3.QueryParameterMatcher{Name: c.Name, QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_StringMatch{StringMatch: m}}
}

// varies tells caches that the version header decides about the answer (RFC 9110 12.5.5).
func varies(out *routev3.Route, r *gateway.Route) {
	if r.VersionHeader != "" {
		out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: "vary", Value: r.VersionHeader},
			AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
		})
	}
}
