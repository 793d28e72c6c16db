package translate

import (
	"regexp"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// conditionHolds is the value of an entry that stands for a condition.
const conditionHolds = "1"

// conditions returns entries that stand for the conditions of a limit: where one does not hold, there is no descriptor. Of plans only
// Gatehouse knows, and a Check spends the limit then.
func conditions(w *gateway.LimitWhen) []*routev3.RateLimit_Action {
	if w == nil {
		return nil
	}
	var out []*routev3.RateLimit_Action
	if len(w.Headers) > 0 {
		match := &routev3.RateLimit_Action_HeaderValueMatch{DescriptorKey: envoy.DescriptorWhen, DescriptorValue: conditionHolds}
		for _, h := range w.Headers {
			match.Headers = append(match.Headers, oneOfHeader(h))
		}
		out = append(out, &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_HeaderValueMatch_{HeaderValueMatch: match}})
	}
	if len(w.Query) > 0 {
		match := &routev3.RateLimit_Action_QueryParameterValueMatch{DescriptorKey: envoy.DescriptorWhen, DescriptorValue: conditionHolds}
		for _, c := range w.Query {
			match.QueryParameters = append(match.QueryParameters, queryMatcher(c))
		}
		out = append(out, &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_QueryParameterValueMatch_{QueryParameterValueMatch: match}})
	}
	for _, c := range w.Claims {
		out = append(out, holding(claimHolds(c)))
	}
	return out
}

// oneOfHeader matches a header that is one of some values, all its lines being one text with commas between, or that is there.
func oneOfHeader(h gateway.HeaderTest) *routev3.HeaderMatcher {
	if len(h.Values) < 2 {
		c := gateway.Condition{Name: h.Name}
		if len(h.Values) == 1 {
			c.Value = h.Values[0]
		}
		if c.Value != "" || len(h.Values) == 0 {
			return headerMatcher(c)
		}
	}
	quoted := make([]string, len(h.Values))
	for i, v := range h.Values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return &routev3.HeaderMatcher{Name: h.Name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{
		StringMatch: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
			SafeRegex: &matcherv3.RegexMatcher{Regex: strings.Join(quoted, "|")},
		}},
	}}
}

// claimHolds returns a condition in CEL that says what claimIs says.
func claimHolds(c gateway.ClaimTest) string {
	claim := claimOf(c.Name)
	var any []string
	add := func(value string) { any = append(any, claim+" == "+value, value+" in "+claim) }
	for _, v := range c.Values {
		add(celText(v))
		if v == "true" || v == "false" {
			add(v)
		}
		if n, err := strconv.ParseFloat(v, 64); err == nil && strconv.FormatFloat(n, 'f', -1, 64) == v {
			add("double(" + celText(v) + ")")
		}
	}
	return strings.Join(any, " || ")
}
