package translate

import (
	"math"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	exprv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rate_limit_descriptors/expr/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// maxCeilings is of how many values of one limit's key an Envoy remembers what they spent. One that is forgotten begins anew.
const maxCeilings = 10_000

// noCeiling is the filter without a route: it refuses nothing.
func noCeiling() *localratelimitv3.LocalRateLimit {
	return &localratelimitv3.LocalRateLimit{StatPrefix: "ceiling"}
}

// ceilings returns the override of the filter by which each Envoy refuses, before it calls, what is far beyond a limit: nil for a
// route none of whose limits asks for that.
func ceilings(r *gateway.Route) *localratelimitv3.LocalRateLimit {
	out := noCeiling()
	for i := range r.Limits {
		if l := &r.Limits[i]; hasCeiling(r, l) {
			addCeiling(out, r, l)
		}
	}
	if out.Descriptors == nil {
		return nil
	}
	all := &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 100}}
	out.FilterEnabled, out.FilterEnforced = all, all
	// Where no descriptor matches: a bucket that is never empty. The intervals of the others are multiples of its own.
	out.TokenBucket = bucket(math.MaxUint32, math.MaxUint32, time.Second)
	out.AlwaysConsumeDefaultTokenBucket = wrapperspb.Bool(false)
	out.MaxDynamicDescriptors = wrapperspb.UInt32(maxCeilings)
	out.RateLimitedAsResourceExhausted = true
	out.EnableRetryAfterHeader = true
	return out
}

// hasCeiling reports whether an Envoy can tell that a limit is far exceeded: a limit that refuses, in which every request counts as
// much as any other, and that is told of whatever has been spent in a window that is no calendar's.
func hasCeiling(r *gateway.Route, l *gateway.Limit) bool {
	return r.Action == gateway.ActionForward && l.Ceiling && l.Mode != gateway.Shadow && l.Enforce != gateway.Distributed &&
		l.Cost.From == "" && (l.When == nil || len(l.When.Plans) == 0) && ceilingWindow(l) != nil
}

// soleCeiling returns the limit that a refusal by a ceiling of a route is about. Envoy does not tell which of several it was, so it is
// empty there, and where there is none.
func soleCeiling(r *gateway.Route) (name string) {
	for i := range r.Limits {
		if l := &r.Limits[i]; hasCeiling(r, l) {
			if name != "" {
				return ""
			}
			name = l.Name
		}
	}
	return name
}

// ceilingOf is the CEL expression of what soleCeiling says of the route.
func ceilingOf() string {
	return "xds.route_metadata.filter_metadata['" + envoy.MetadataCeiling + "']['" + envoy.MetadataCeilingLimit + "']"
}

// ceilingWindow returns the shortest window that is no calendar's.
func ceilingWindow(l *gateway.Limit) *gateway.Window {
	var out *gateway.Window
	for i := range l.Windows {
		if w := &l.Windows[i]; w.Every == "" && (out == nil || w.Per < out.Per) {
			out = w
		}
	}
	return out
}

func addCeiling(out *localratelimitv3.LocalRateLimit, r *gateway.Route, l *gateway.Limit) {
	key, known := l.Key, true
	for _, part := range l.Key {
		// What is known only after the call, and the target, which is not the parameter.
		switch prefix, _ := splitPart(part); prefix {
		case gateway.KeyConsumer, gateway.KeyApplication, gateway.KeyPlan:
			known = known && r.CallsLimits()
		case gateway.KeyPath:
			known = false
		}
	}
	if !known {
		key = []string{gateway.KeyAddress}
	}
	charge := &routev3.RateLimit{Actions: []*routev3.RateLimit_Action{constant(envoy.DescriptorLimit, l.Name)}}
	charge.Actions = append(charge.Actions, conditions(l.When)...)
	descriptor := &ratelimitcommonv3.LocalRateLimitDescriptor{TokenBucket: ceilingBucket(ceilingWindow(l), max(l.Cost.Number, 1))}
	charge.Actions = append(charge.Actions, keyParts(key)...)
	for _, a := range charge.Actions {
		descriptor.Entries = append(descriptor.Entries, &ratelimitcommonv3.RateLimitDescriptor_Entry{Key: entryKey(a), Value: entryValue(a)})
	}
	out.RateLimits = append(out.RateLimits, charge)
	out.Descriptors = append(out.Descriptors, descriptor)
}

// ceilingBucket returns a bucket that admits whatever the window admits, also where some requests come to be counted up to a window's
// length later than others: so much at once as the window admits in two such lengths, or around a border of them.
func ceilingBucket(w *gateway.Window, cost int64) *typev3.TokenBucket {
	most := w.Limit + max(w.Burst, w.Limit)
	if w.Arithmetic == gateway.Fixed {
		most += w.Limit
	}
	return bucket(requests(most, cost), requests(w.Limit, cost), max(w.Per.Truncate(time.Second), time.Second))
}

// requests returns how many requests of a cost a number of units is, begun ones counted whole.
func requests(units, cost int64) uint32 {
	return uint32(min((units+cost-1)/cost, math.MaxUint32)) //nolint:gosec // Within bounds after min.
}

func bucket(most, filled uint32, in time.Duration) *typev3.TokenBucket {
	return &typev3.TokenBucket{MaxTokens: most, TokensPerFill: wrapperspb.UInt32(filled), FillInterval: durationpb.New(in)}
}

// entryKey returns the key of the entry that an action appends.
func entryKey(a *routev3.RateLimit_Action) string {
	switch a := a.ActionSpecifier.(type) {
	case *routev3.RateLimit_Action_GenericKey_:
		return a.GenericKey.DescriptorKey
	case *routev3.RateLimit_Action_RequestHeaders_:
		return a.RequestHeaders.DescriptorKey
	case *routev3.RateLimit_Action_QueryParameters_:
		return a.QueryParameters.DescriptorKey
	case *routev3.RateLimit_Action_Metadata:
		return a.Metadata.DescriptorKey
	case *routev3.RateLimit_Action_HeaderValueMatch_:
		return a.HeaderValueMatch.DescriptorKey
	case *routev3.RateLimit_Action_QueryParameterValueMatch_:
		return a.QueryParameterValueMatch.DescriptorKey
	case *routev3.RateLimit_Action_Extension:
		expression := &exprv3.Descriptor{}
		if a.Extension.TypedConfig.UnmarshalTo(expression) == nil {
			return expression.DescriptorKey
		}
	}
	return envoy.DescriptorAddress
}

// entryValue returns the value of the entry that an action appends; empty for one that comes from the request.
func entryValue(a *routev3.RateLimit_Action) string {
	if key := a.GetGenericKey(); key != nil {
		return key.DescriptorValue
	}
	if entryKey(a) == envoy.DescriptorWhen {
		return conditionHolds
	}
	return ""
}
