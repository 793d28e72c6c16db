package translate

import (
	"cmp"
	"math"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// The buckets of local limits stand in one configuration of a fleet, which comes by ECDS, and a route says only by what a request
// is counted. Were they a route's own, it would have as many as there are places at which its requests are found, and new
// ones with every change of any route (ADR 66).

// localCharges returns by what requests of a route are counted: for each local limit its name and its key.
func localCharges(r *gateway.Route) []*routev3.RateLimit {
	var out []*routev3.RateLimit
	for _, l := range r.LocalLimits() {
		out = append(out, localCharge(&l))
	}
	return out
}

func localCharge(l *gateway.Limit) *routev3.RateLimit {
	return &routev3.RateLimit{Actions: append(
		[]*routev3.RateLimit_Action{constant(envoy.DescriptorLimit, envoy.QuotaKey(l.Scope, l.Name))}, keyParts(l.Key)...,
	)}
}

// addLocalLimits adds the configuration of the filter of local limits of a fleet.
func (out *Resources) addLocalLimits(routes []*gateway.Route) {
	limits := map[string]*gateway.Limit{}
	for _, r := range routes {
		for _, l := range r.LocalLimits() {
			limits[envoy.QuotaKey(l.Scope, l.Name)] = &l
		}
	}
	filter := noLocalLimit()
	for _, key := range sortedNames(limits) {
		filter.Descriptors = append(filter.Descriptors, localBuckets(limits[key])...)
	}
	out.LocalLimits = filter
	out.localExtension = &corev3.TypedExtensionConfig{Name: envoy.ResourceLocalLimits, TypedConfig: packed(filter)}
}

// noLocalLimit is the filter without a limit: a request that no descriptor means is counted by a bucket that is never empty.
func noLocalLimit() *localratelimitv3.LocalRateLimit {
	all := &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 100}}
	return &localratelimitv3.LocalRateLimit{
		StatPrefix: "local", FilterEnabled: all, FilterEnforced: all,
		TokenBucket:                     bucket(math.MaxUint32, math.MaxUint32, time.Second),
		AlwaysConsumeDefaultTokenBucket: wrapperspb.Bool(false),
		MaxDynamicDescriptors:           wrapperspb.UInt32(maxCeilings),
		RateLimitedAsResourceExhausted:  true,
		EnableRetryAfterHeader:          true,
	}
}

// localBuckets returns the buckets of a limit, one for each value of its key: each holds burst, or limit where not said, and limit
// flow into it per window. Nobody escapes by leaving out a part of the key: requests without it have a bucket of their own.
func localBuckets(l *gateway.Limit) []*ratelimitcommonv3.LocalRateLimitDescriptor {
	w := l.Windows[0]
	entries := [][]*ratelimitcommonv3.RateLimitDescriptor_Entry{nil}
	for _, a := range localCharge(l).Actions {
		one := &ratelimitcommonv3.RateLimitDescriptor_Entry{Key: entryKey(a), Value: entryValue(a)}
		var with [][]*ratelimitcommonv3.RateLimitDescriptor_Entry
		for _, so := range entries {
			with = append(with, append(slices.Clone(so), one))
			if a.GetRequestHeaders() != nil || a.GetQueryParameters() != nil {
				with = append(with, so)
			}
		}
		entries = with
	}
	var out []*ratelimitcommonv3.LocalRateLimitDescriptor
	for _, so := range entries {
		out = append(out, &ratelimitcommonv3.LocalRateLimitDescriptor{
			Entries: so, TokenBucket: bucket(requests(cmp.Or(w.Burst, w.Limit), 1), requests(w.Limit, 1), w.Per),
		})
	}
	return out
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
