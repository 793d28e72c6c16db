package translate

import (
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// charges returns the descriptors of a route's rate limit calls: of the one that a request waits for, unless a Check spends the
// limits, and of the one at the end of the stream that tells what is known only then. What the entries are, envoy.DescriptorRules and
// what follows it say. A part that a request lacks is left out of the descriptor, never the descriptor itself: nobody escapes a
// limit by leaving out a header.
func charges(r *gateway.Route) *ratelimitv3.RateLimitPerRoute {
	out := &ratelimitv3.RateLimitPerRoute{Domain: envoy.RateLimitDomain}
	limits := r.CountedLimits()
	for i := range limits {
		if r.CallsLimits() {
			out.RateLimits = append(out.RateLimits, charge(r, &limits[i]))
		}
		if limits[i].Cost.Late() {
			out.RateLimits = append(out.RateLimits, lateCharge(r, &limits[i]))
		}
	}
	return out
}

// chargeOf returns a descriptor that names a limit.
func chargeOf(r *gateway.Route, l *gateway.Limit) *routev3.RateLimit {
	return &routev3.RateLimit{Actions: []*routev3.RateLimit_Action{
		constant(envoy.DescriptorRules, r.Rules), constant(envoy.DescriptorLimit, l.Name),
	}}
}

// charge returns the descriptor of a limit before the request goes on.
func charge(r *gateway.Route, l *gateway.Limit) *routev3.RateLimit {
	out := chargeOf(r, l)
	out.Actions = append(out.Actions, conditions(l.When)...)
	out.Actions = append(out.Actions, cost(l.Cost)...)
	out.Actions = append(out.Actions, keyParts(l.Key)...)
	return out
}

// keyParts returns the entries of the parts of a limit's key.
func keyParts(key []string) []*routev3.RateLimit_Action {
	var out []*routev3.RateLimit_Action
	target := false
	for _, part := range key {
		prefix, name := splitPart(part)
		switch prefix {
		case gateway.KeyPath:
			if !target {
				out = append(out, fromHeader(headerTarget, envoy.DescriptorTarget))
			}
			target = true
		case gateway.KeyHeader:
			out = append(out, fromHeader(name, part))
		case gateway.KeyQuery:
			out = append(out, fromQuery(name, part))
		case gateway.KeyToken:
			out = append(out, fromClaim(name, part))
		case gateway.KeyConsumer:
			out = append(out, fromClaim("iss", envoy.DescriptorIssuer), computed(part, firstClaim("sub", "client_id", "azp")))
		case gateway.KeyApplication:
			out = append(out, computed(part, firstClaim("client_id", "azp")))
		case gateway.KeyAddress: // Under envoy.DescriptorAddress: Envoy names this entry's key itself.
			out = append(out, &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_RemoteAddress_{
				RemoteAddress: &routev3.RateLimit_Action_RemoteAddress{},
			}})
		}
	}
	return out
}

// cost returns the entry of a cost that stands in the request, nothing for any other. Of a body it is the length that is said before
// it comes.
func cost(c gateway.Cost) []*routev3.RateLimit_Action {
	prefix, name := splitPart(c.From)
	switch {
	case prefix == gateway.CostHeader:
		return []*routev3.RateLimit_Action{fromHeader(name, envoy.DescriptorCost)}
	case prefix == gateway.CostClaim:
		return []*routev3.RateLimit_Action{computed(envoy.DescriptorCost, claimOf(name))}
	case c.From == gateway.CostBody:
		return []*routev3.RateLimit_Action{fromHeader("content-length", envoy.DescriptorCost)}
	}
	return nil
}

// lateCharge returns the descriptor of a limit at the end of the stream. The headers of the request may have been changed on their way
// by then; so the bucket is what was said of it before. Of a body whose length was said before, or of none, there is nothing to tell.
func lateCharge(r *gateway.Route, l *gateway.Limit) *routev3.RateLimit {
	out := chargeOf(r, l)
	out.ApplyOnStreamDone = true
	namespace := envoy.MetadataRateLimit
	if r.CheckSpends() {
		namespace = envoy.MetadataAuthz
	}
	bucket := fromMetadata(envoy.DescriptorBucket, namespace, envoy.MetadataBuckets, l.Name)
	bucket.GetMetadata().SkipIfAbsent = false
	out.Actions = append(out.Actions, bucket)
	switch l.Cost.From {
	case gateway.CostBody:
		out.Actions = append(out.Actions, holding("!('content-length' in request.headers) && request.size > 0"), computed(envoy.DescriptorCost, "request.size"))
	case gateway.CostResponse:
		out.Actions = append(out.Actions, computed(envoy.DescriptorCost, "response.size"))
	default:
		_, name := splitPart(l.Cost.From)
		out.Actions = append(out.Actions, fromMetadata(envoy.DescriptorCost, envoy.MetadataCost, name))
	}
	return out
}
