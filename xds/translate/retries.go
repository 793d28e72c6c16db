package translate

import (
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// otherHostTries is how often a retry draws again when it got an endpoint that has failed the request already.
const otherHostTries = 5

// retryHeader asks the router for more conditions than the route's policy has. No client's gets so far.
const retryHeader = "x-envoy-retry-on"

// waits says how long a request may take, and how it is tried again: as the route says, or the upstreams, the most patient of them.
func waits(out *routev3.RouteAction, r *gateway.Route) {
	timeout, try := r.Waits.Request, r.Waits.Try
	for _, t := range r.Targets {
		u := t.Upstream
		if r.Waits.Request == 0 {
			timeout = max(timeout, u.Timeout)
		}
		if out.RetryPolicy == nil && u.Retries != nil {
			out.RetryPolicy = retryPolicy(u.Retries, r.Match.Methods)
			if try == 0 {
				try = u.Retries.Timeout
			}
		}
	}
	out.Timeout = durationpb.New(timeout)
	if out.RetryPolicy != nil && try > 0 {
		out.RetryPolicy.PerTryTimeout = durationpb.New(try)
	}
	if r.Waits.Idle > 0 {
		out.IdleTimeout = durationpb.New(r.Waits.Idle)
	}
	if r.Waits.Stream > 0 {
		out.MaxStreamDuration = &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: durationpb.New(r.Waits.Stream)}
	}
}

// retryPolicy returns how requests are tried again: on another endpoint than the one that failed, where there is one. Conditions
// under which the endpoint may have seen a request are left out where not all methods of the route may be repeated.
func retryPolicy(r *gateway.Retries, methods []string) *routev3.RetryPolicy {
	out := &routev3.RetryPolicy{
		RetryOn:    strings.Join(unseen(r), ","),
		NumRetries: wrapperspb.UInt32(uint32(r.Attempts)),
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name: "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
				TypedConfig: packed(&previoushostsv3.PreviousHostsPredicate{}),
			},
		}},
		HostSelectionRetryMaxAttempts: otherHostTries,
	}
	if repeatable(r, methods) == always {
		out.RetryOn = strings.Join(slices.Concat(unseen(r), seen(r)), ",")
	}
	for _, status := range r.Statuses {
		out.RetriableStatusCodes = append(out.RetriableStatusCodes, uint32(status))
	}
	if r.Base > 0 {
		out.RetryBackOff = &routev3.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(r.Base)}
		if r.Longest > 0 {
			out.RetryBackOff.MaxInterval = durationpb.New(r.Longest)
		}
	}
	return out
}

// unseen returns the conditions under which an endpoint has seen nothing of a request.
func unseen(r *gateway.Retries) []string {
	return slices.DeleteFunc(slices.Clone(r.On), seesRequest)
}

// seen returns the conditions under which it may have seen all of it.
func seen(r *gateway.Retries) []string {
	out := slices.DeleteFunc(slices.Clone(r.On), func(on string) bool { return !seesRequest(on) })
	if len(r.Statuses) > 0 {
		out = append(out, "retriable-status-codes")
	}
	return out
}

func seesRequest(on string) bool { return on == "reset" || on == "gateway-error" || on == "5xx" }

// often is for which requests of a route something is done.
type often int

const (
	never often = iota
	byMethod
	always
)

// repeatable reports for which of a route's requests the conditions count under which an endpoint may have seen them.
func repeatable(r *gateway.Retries, methods []string) often {
	if len(seen(r)) == 0 {
		return never
	}
	if r.Every {
		return always
	}
	idempotent := 0
	for _, m := range methods {
		if slices.Contains(idempotentMethods(), m) {
			idempotent++
		}
	}
	switch {
	case len(methods) > 0 && idempotent == len(methods):
		return always
	case len(methods) > 0 && idempotent == 0:
		return never
	}
	return byMethod
}

// idempotentMethods are those that may be repeated (RFC 9110 9.2.2).
func idempotentMethods() []string {
	return []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}
}

// retryByMethod adds conditions to requests whose method may be repeated, where a route takes others too: a policy of Envoy's
// knows no method, but the router reads this header when it has made the request ready.
func retryByMethod(out *routev3.Route, r *gateway.Route) {
	for _, t := range r.Targets {
		u := t.Upstream
		if u.Retries == nil {
			continue
		}
		if repeatable(u.Retries, r.Match.Methods) == byMethod {
			quoted := "['" + strings.Join(idempotentMethods(), "','") + "']"
			out.RequestHeadersToAdd = append(out.RequestHeadersToAdd, &corev3.HeaderValueOption{
				Header: &corev3.HeaderValue{
					Key: retryHeader, Value: fmt.Sprintf("%%CEL(request.method in %s ? '%s' : '')%%", quoted, strings.Join(seen(u.Retries), ",")),
				},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			})
		}
		return // The first that retries decides for the route.
	}
}
