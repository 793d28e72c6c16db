package translate

import (
	"time"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	adaptivev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/adaptive_concurrency/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// How the bound of a route is learnt. Every so often as few requests as leastConcurrent are let through at one time, until
// minRTTRequests of them have told how fast the upstream answers that has little to do.
const (
	minRTTInterval  = time.Minute
	minRTTRequests  = 50
	leastConcurrent = 3
	latencyPercent  = 90
)

// adaptive returns the filter that lets a route run a filter of its own: Envoy's adaptive concurrency has one bound for all
// routes of a filter, by which one slow API would refuse the requests of all others.
func adaptive() *matchingv3.ExtensionWithMatcher {
	return &matchingv3.ExtensionWithMatcher{
		ExtensionConfig: &corev3.TypedExtensionConfig{Name: "composite", TypedConfig: packed(&compositev3.Composite{})},
		XdsMatcher:      &xdsmatcherv3.Matcher{},
	}
}

// adaptiveOn returns the bound of one route.
func adaptiveOn(a *gateway.Adaptive) *matchingv3.ExtensionWithMatcherPerRoute {
	action := &compositev3.ExecuteFilterAction{TypedConfig: &corev3.TypedExtensionConfig{
		Name: "envoy.filters.http.adaptive_concurrency", TypedConfig: packed(adaptiveConcurrency(a)),
	}}
	return &matchingv3.ExtensionWithMatcherPerRoute{XdsMatcher: &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: &xdsmatcherv3.Matcher_MatcherList{
			Matchers: []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher{{
				Predicate: everyPath(),
				OnMatch: &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
					Action: &xdscorev3.TypedExtensionConfig{Name: "adaptive", TypedConfig: packed(action)},
				}},
			}},
		}},
	}}
}

// everyPath holds for every request.
func everyPath() *xdsmatcherv3.Matcher_MatcherList_Predicate {
	return &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input: &xdscorev3.TypedExtensionConfig{Name: "path", TypedConfig: packed(&matcherv3.HttpRequestHeaderMatchInput{HeaderName: ":path"})},
			Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: &xdsmatcherv3.StringMatcher{
				MatchPattern: &xdsmatcherv3.StringMatcher_Prefix{Prefix: "/"},
			}},
		},
	}}
}

func adaptiveConcurrency(a *gateway.Adaptive) *adaptivev3.AdaptiveConcurrency {
	return &adaptivev3.AdaptiveConcurrency{
		Enabled: &corev3.RuntimeFeatureFlag{DefaultValue: wrapperspb.Bool(true), RuntimeKey: "gatehouse.adaptive_concurrency"},
		ConcurrencyControllerConfig: &adaptivev3.AdaptiveConcurrency_GradientControllerConfig{
			GradientControllerConfig: &adaptivev3.GradientControllerConfig{
				SampleAggregatePercentile: &typev3.Percent{Value: latencyPercent},
				ConcurrencyLimitParams: &adaptivev3.GradientControllerConfig_ConcurrencyLimitCalculationParams{
					MaxConcurrencyLimit:       wrapperspb.UInt32(uint32(a.Most)),
					ConcurrencyUpdateInterval: durationpb.New(a.Interval),
				},
				MinRttCalcParams: &adaptivev3.GradientControllerConfig_MinimumRTTCalculationParams{
					Interval:       durationpb.New(minRTTInterval),
					RequestCount:   wrapperspb.UInt32(minRTTRequests),
					MinConcurrency: wrapperspb.UInt32(leastConcurrent),
					Jitter:         &typev3.Percent{Value: 10},
				},
			},
		},
	}
}
