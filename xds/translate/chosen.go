package translate

import (
	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	xdstypev3 "github.com/cncf/xds/go/xds/type/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	exprv1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/proto"
)

// Filters that take no settings of a route, or not all of them, are brought by one that does: the composite filter of the
// listener has none, and a route names those that run in its place.

// forAll returns the override by which some filters run for each request of a route.
func forAll(filters ...*corev3.TypedExtensionConfig) *compositev3.CompositePerRoute {
	return &compositev3.CompositePerRoute{Matcher: &xdsmatcherv3.Matcher{OnNoMatch: running(run(filters...))}}
}

// whenever returns the override by which an action runs for the requests of a route for which an expression holds. Where it
// cannot be told, it does not.
func whenever(expression *exprv1.Expr, action *compositev3.ExecuteFilterAction) *compositev3.CompositePerRoute {
	holds := &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input: &xdscorev3.TypedExtensionConfig{Name: "request", TypedConfig: packed(&xdsmatcherv3.HttpAttributesCelMatchInput{})},
			Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_CustomMatch{CustomMatch: &xdscorev3.TypedExtensionConfig{
				Name: "cel", TypedConfig: packed(&xdsmatcherv3.CelMatcher{ExprMatch: &xdstypev3.CelExpression{
					ExprSpecifier: &xdstypev3.CelExpression_ParsedExpr{ParsedExpr: &exprv1.ParsedExpr{Expr: expression}}, //nolint:staticcheck // As access rules have expressions; the field in its place has the same bytes, by a module more.
				}}),
			}},
		},
	}}
	return &compositev3.CompositePerRoute{Matcher: &xdsmatcherv3.Matcher{MatcherType: &xdsmatcherv3.Matcher_MatcherList_{
		MatcherList: &xdsmatcherv3.Matcher_MatcherList{Matchers: []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher{{Predicate: holds, OnMatch: running(action)}}},
	}}}
}

func running(action *compositev3.ExecuteFilterAction) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{
		Name: "run", TypedConfig: packed(action),
	}}}
}

// run returns the action that runs one filter, or several in their order.
func run(filters ...*corev3.TypedExtensionConfig) *compositev3.ExecuteFilterAction {
	if len(filters) == 1 {
		return &compositev3.ExecuteFilterAction{TypedConfig: filters[0]}
	}
	return &compositev3.ExecuteFilterAction{FilterChain: &compositev3.FilterChainConfiguration{TypedConfig: filters}}
}

// sampled makes an action run for a part of the requests only.
func sampled(action *compositev3.ExecuteFilterAction, percent float64) *compositev3.ExecuteFilterAction {
	action.SamplePercent = &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{
		Numerator: uint32(percent * 10_000), Denominator: typev3.FractionalPercent_MILLION,
	}}
	return action
}

func extension(name string, config proto.Message) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed(config)}
}
