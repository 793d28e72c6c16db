package translate

import (
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

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
		out = append(out, holding(headersHold(w.Headers)))
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

// headersHold returns a condition in CEL that headers are as said, all lines of one being one text with commas between, as a Check
// sees them: Envoy's matchers of headers look at each line by itself.
func headersHold(tests []gateway.HeaderTest) string {
	all := make([]string, len(tests))
	for i, h := range tests {
		values := make([]string, len(h.Values))
		for k, v := range h.Values {
			values[k] = celText(v)
		}
		all[i] = celText(h.Name) + " in request.headers"
		if len(values) > 0 {
			all[i] += " && request.headers[" + celText(h.Name) + "] in [" + strings.Join(values, ", ") + "]"
		}
	}
	return strings.Join(all, " && ")
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
