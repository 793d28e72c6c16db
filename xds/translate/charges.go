package translate

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// charges returns the descriptors of a route's rate limit call: for each limit the rules, its name and the parts of its key.
// A part that a request lacks is left out of the descriptor, never the descriptor itself: nobody escapes a limit by leaving
// out a header.
func charges(r *gateway.Route) *ratelimitv3.RateLimitPerRoute {
	out := &ratelimitv3.RateLimitPerRoute{Domain: envoy.RateLimitDomain}
	for _, l := range r.CountedLimits() {
		limit := &routev3.RateLimit{Actions: []*routev3.RateLimit_Action{
			constant(envoy.DescriptorRules, r.Rules), constant(envoy.DescriptorLimit, l.Name),
		}}
		for _, key := range l.Key {
			limit.Actions = append(limit.Actions, keyPart(key))
		}
		out.RateLimits = append(out.RateLimits, limit)
	}
	return out
}

func constant(key, value string) *routev3.RateLimit_Action {
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_GenericKey_{
		GenericKey: &routev3.RateLimit_Action_GenericKey{DescriptorKey: key, DescriptorValue: value},
	}}
}

// keyPart returns the descriptor entry of one part of a limit's key.
func keyPart(key string) *routev3.RateLimit_Action {
	if name, ok := strings.CutPrefix(key, "header."); ok {
		return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_RequestHeaders_{
			RequestHeaders: &routev3.RateLimit_Action_RequestHeaders{HeaderName: name, DescriptorKey: key, SkipIfAbsent: true},
		}}
	}
	if name, ok := strings.CutPrefix(key, "token."); ok {
		return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_Metadata{
			Metadata: &routev3.RateLimit_Action_MetaData{
				DescriptorKey: key,
				MetadataKey:   claimKey(name),
				Source:        routev3.RateLimit_Action_MetaData_DYNAMIC,
				SkipIfAbsent:  true,
			},
		}}
	}
	// client.address, under envoy.DescriptorAddress: Envoy names this entry's key itself.
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_RemoteAddress_{
		RemoteAddress: &routev3.RateLimit_Action_RemoteAddress{},
	}}
}

func claimKey(claim string) *metadatav3.MetadataKey {
	key := &metadatav3.MetadataKey{Key: envoy.MetadataJWT}
	for _, part := range append([]string{envoy.MetadataJWTClaims}, strings.Split(claim, ".")...) {
		key.Path = append(key.Path, &metadatav3.MetadataKey_PathSegment{
			Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: part},
		})
	}
	return key
}
