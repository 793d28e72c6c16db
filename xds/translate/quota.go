package translate

import (
	"maps"
	"slices"
	"strconv"
	"time"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filterstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	quotav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rate_limit_quota/v3"
	statev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	networkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

const (
	// quotaReports is how often Envoy is told to report; Envoy 1.40 does so every 5 s, whatever it is told.
	quotaReports = 5 * time.Second
	// quotaAlone is for how long an Envoy of which nobody has renewed the assignment holds the whole limit by itself.
	quotaAlone = 365 * 24 * time.Hour
	// quotaFill is the fill interval of buckets. Envoy takes whole seconds of it alone.
	quotaFill = time.Hour
)

// markQuota tells the quota filter which limit a route has. It is the route's word: no client can say it.
func markQuota(l *gateway.Limit) *statev3.Config {
	return &statev3.Config{OnRequestHeaders: []*filterstatev3.FilterStateValue{{
		Key:        &filterstatev3.FilterStateValue_ObjectKey{ObjectKey: envoy.StateQuota},
		FactoryKey: "envoy.string",
		Value: &filterstatev3.FilterStateValue_FormatString{
			FormatString: textFormat(escaped(envoy.QuotaKey(l.Scope, l.Name))),
		},
	}}}
}

// escaped writes a text so that Envoy's formatter leaves it as it is.
func escaped(text string) string {
	var out []byte
	for _, c := range []byte(text) {
		if c == '%' {
			out = append(out, '%')
		}
		out = append(out, c)
	}
	return string(out)
}

// quotaOn switches the quota filter on for a route: the filter takes no settings of a route, and an empty one is none.
func quotaOn() *routev3.FilterConfig { return switchedOn() }

// addQuotas adds the configuration of the one quota filter of a fleet: a bucket for each limit that its Envoys enforce by
// themselves. Where one route of a limit fails closed, the limit does. Buckets of routes that may still be in use on some Envoy
// stay for the next translations.
func (out *Resources) addQuotas(routes []*gateway.Route, prev *Resources) {
	limits, closed := map[string]*gateway.Limit{}, map[string]bool{}
	for _, r := range routes {
		if r.Action != gateway.ActionForward {
			continue
		}
		for _, l := range r.DistributedLimits() {
			key := envoy.QuotaKey(l.Scope, l.Name)
			limits[key] = &l
			closed[key] = closed[key] || r.WhenAway.Limits == gateway.Closed
		}
	}
	out.quotas, out.quotaAges = map[string]*quotav3.RateLimitQuotaBucketSettings{}, map[string]int{}
	for key, l := range limits {
		out.quotas[key] = quotaBucket(l, closed[key])
	}
	if prev != nil {
		for key, settings := range prev.quotas {
			if age := prev.quotaAges[key] + 1; out.quotas[key] == nil && age <= keptTranslations {
				out.quotas[key], out.quotaAges[key] = settings, age
			}
		}
	}
	out.Quota = quotaFilter(out.quotas)
	out.quotaExtension = &corev3.TypedExtensionConfig{Name: envoy.ResourceQuota, TypedConfig: packed(out.Quota)}
}

// quotaFilter returns the filter's configuration. A request whose route names no limit of these is counted by none.
func quotaFilter(buckets map[string]*quotav3.RateLimitQuotaBucketSettings) *quotav3.RateLimitQuotaFilterConfig {
	stream := service(envoy.ClusterRateLimit, 0)
	stream.Timeout = nil // It lives as long as its Envoy.
	out := &quotav3.RateLimitQuotaFilterConfig{Domain: envoy.RateLimitDomain, RlqsServer: stream, BucketMatchers: &xdsmatcherv3.Matcher{}}
	known := map[string]*xdsmatcherv3.Matcher_OnMatch{}
	for _, key := range slices.Sorted(maps.Keys(buckets)) {
		known[key] = &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{
			Name: "bucket", TypedConfig: packed(buckets[key]),
		}}}
	}
	if len(known) > 0 {
		out.BucketMatchers.MatcherType = &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
			Input: &xdscorev3.TypedExtensionConfig{
				Name: "limit", TypedConfig: packed(&networkv3.FilterStateInput{Key: envoy.StateQuota}),
			},
			TreeType: &xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap{ExactMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: known}},
		}}
	}
	return out
}

// quotaBucket returns how an Envoy treats a limit. Before it is assigned anything, all or nothing passes, as the limit fails open
// or closed: Envoy 1.40 ends itself where a bucket of tokens is to hold then. Once nobody has renewed what it was assigned, a
// limit that fails open is the Envoy's alone.
func quotaBucket(l *gateway.Limit, closed bool) *quotav3.RateLimitQuotaBucketSettings {
	first := &typev3.RateLimitStrategy{Strategy: &typev3.RateLimitStrategy_BlanketRule_{BlanketRule: typev3.RateLimitStrategy_ALLOW_ALL}}
	alone := &typev3.RateLimitStrategy{Strategy: &typev3.RateLimitStrategy_TokenBucket{TokenBucket: wholeLimit(l.Windows[0])}}
	if closed {
		first = &typev3.RateLimitStrategy{Strategy: &typev3.RateLimitStrategy_BlanketRule_{BlanketRule: typev3.RateLimitStrategy_DENY_ALL}}
		alone = first
	}
	text := func(value string) *quotav3.RateLimitQuotaBucketSettings_BucketIdBuilder_ValueBuilder {
		return &quotav3.RateLimitQuotaBucketSettings_BucketIdBuilder_ValueBuilder{
			ValueSpecifier: &quotav3.RateLimitQuotaBucketSettings_BucketIdBuilder_ValueBuilder_StringValue{StringValue: value},
		}
	}
	return &quotav3.RateLimitQuotaBucketSettings{
		BucketIdBuilder: &quotav3.RateLimitQuotaBucketSettings_BucketIdBuilder{
			BucketIdBuilder: map[string]*quotav3.RateLimitQuotaBucketSettings_BucketIdBuilder_ValueBuilder{
				envoy.BucketScope: text(l.Scope), envoy.BucketLimit: text(l.Name),
			},
		},
		ReportingInterval: durationpb.New(quotaReports),
		NoAssignmentBehavior: &quotav3.RateLimitQuotaBucketSettings_NoAssignmentBehavior{
			NoAssignmentBehavior: &quotav3.RateLimitQuotaBucketSettings_NoAssignmentBehavior_FallbackRateLimit{FallbackRateLimit: first},
		},
		ExpiredAssignmentBehavior: &quotav3.RateLimitQuotaBucketSettings_ExpiredAssignmentBehavior{
			ExpiredAssignmentBehaviorTimeout: durationpb.New(quotaAlone),
			ExpiredAssignmentBehavior:        &quotav3.RateLimitQuotaBucketSettings_ExpiredAssignmentBehavior_FallbackRateLimit{FallbackRateLimit: alone},
		},
		DenyResponseSettings: &quotav3.RateLimitQuotaBucketSettings_DenyResponseSettings{
			HttpStatus:           &typev3.HttpStatus{Code: typev3.StatusCode_TooManyRequests},
			GrpcStatus:           &rpcstatus.Status{Code: int32(codes.ResourceExhausted)},
			ResponseHeadersToAdd: []*corev3.HeaderValueOption{setHeader("retry-after", strconv.FormatInt(nextToken(l.Windows[0]), 10))},
		},
	}
}

// wholeLimit returns a bucket that admits what a window does.
func wholeLimit(w gateway.Window) *typev3.TokenBucket {
	burst, rate := w.Burst, float64(w.Limit)*quotaFill.Seconds()/w.Per.Seconds()
	if burst == 0 {
		burst = gateway.DistributedBurst(w)
	}
	return &typev3.TokenBucket{
		MaxTokens: uint32(burst), TokensPerFill: wrapperspb.UInt32(uint32(max(1, min(rate, 1<<32-1)))), FillInterval: durationpb.New(quotaFill), //nolint:gosec // Bounded where it is compiled.
	}
}

// nextToken returns in how many seconds a window has room for one more at the latest, where nobody else asks.
func nextToken(w gateway.Window) int64 {
	seconds := (w.Per + time.Duration(w.Limit)*time.Second - 1) / (time.Duration(w.Limit) * time.Second)
	return max(1, int64(seconds))
}
