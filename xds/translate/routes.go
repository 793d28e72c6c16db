package translate

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// maxCheckBody is how much of a body a policy may see, in bytes; what is longer arrives cut off, and says so.
const maxCheckBody = 64 << 10

// otherHostTries is how often a retry draws again when it got an endpoint that has failed the request already.
const otherHostTries = 5

// newRoute returns the Envoy route of one of ours.
func (b *builder) newRoute(r *gateway.Route) *routev3.Route {
	out := &routev3.Route{
		Name:                 envoy.RouteName(r.Name, r.Rules),
		Match:                match(&r.Match),
		TypedPerFilterConfig: b.perFilter(r),
	}
	changeHeaders(out, r.Headers, r.Name)
	varies(out, r)
	switch r.Action {
	case gateway.ActionForward:
		if r.Awaits(b.observed) {
			b.await(out)
			break
		}
		tell(out, r)
		out.Metadata = routeMetadata(r)
		b.act(out, r)
	case gateway.ActionMethod:
		direct(out, gateway.NewProblem(405, gateway.ProblemMethod, "this path takes "+strings.Join(r.Allow, ", ")))
		out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, setHeader("allow", strings.Join(r.Allow, ", ")))
	case gateway.ActionDown:
		direct(out, gateway.NewProblem(503, gateway.ProblemQuarantined, "the configuration of this API has faults, and no good version of it is known"))
		out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, setHeader("retry-after", "60"))
	case gateway.ActionRefuse:
		direct(out, gateway.NewProblem(404, gateway.ProblemNotFound, fmt.Sprintf("%s has no operation for this path", r.Object.Name)))
	}
	return out
}

// await makes a route answer that its issuer's keys are not known yet: a 401 would call good tokens bad.
func (b *builder) await(out *routev3.Route) {
	out.TypedPerFilterConfig = map[string]*anypb.Any{envoy.FilterGuard: packed(noGuard())}
	direct(out, gateway.NewProblem(503, gateway.ProblemIdentityAway, "the keys by which tokens are verified are not known yet"))
	out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, setHeader("retry-after", retryAfter))
}

// notFound returns the route of a gateway that answers where no other does.
func notFound(headers gateway.Headers) *routev3.Route {
	out := everything("not-found")
	changeHeaders(out, headers, out.Name)
	direct(out, gateway.NewProblem(404, gateway.ProblemNotFound, "nothing is served at this host and path"))
	return out
}

// direct makes a route answer with a problem document.
func direct(out *routev3.Route, p gateway.Problem) {
	out.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
		Status: uint32(p.Status),
		Body:   &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: string(p.JSON())}},
	}}
	out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, setHeader("content-type", gateway.ProblemType))
}

// forward returns where a route's requests go. The base is taken off: an upstream sees the paths of its contract.
func (b *builder) forward(r *gateway.Route) *routev3.RouteAction {
	out := &routev3.RouteAction{}
	for _, t := range r.Targets {
		u := t.Upstream
		out.Timeout = durationpb.New(max(u.Timeout, out.GetTimeout().AsDuration()))
		if out.RetryPolicy == nil && u.Retries != nil {
			out.RetryPolicy = retryPolicy(u.Retries)
		}
	}
	if len(r.Targets) == 1 {
		out.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: b.cluster(r.Targets[0].Upstream)}
	} else {
		out.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: b.shared(out, r)}
	}
	out.RequestMirrorPolicies = b.mirrors(r)
	rewrite(out, r)
	return out
}

// retryPolicy returns how requests are tried again: on another endpoint than the one that failed, where there is one.
func retryPolicy(r *gateway.Retries) *routev3.RetryPolicy {
	return &routev3.RetryPolicy{
		RetryOn:    strings.Join(r.On, ","),
		NumRetries: wrapperspb.UInt32(uint32(r.Attempts)),
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name: "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
				TypedConfig: packed(&previoushostsv3.PreviousHostsPredicate{}),
			},
		}},
		HostSelectionRetryMaxAttempts: otherHostTries,
	}
}

// perFilter returns what a route asks of each filter. A filter that is not named here stays as the listener has it: off, or,
// for the guard, denying.
func (b *builder) perFilter(r *gateway.Route) map[string]*anypb.Any {
	out := map[string]*anypb.Any{}
	set := func(filter string, config proto.Message) { out[filter] = packed(config) }
	withPages(out, r.Pages)
	if r.Action != gateway.ActionForward {
		set(envoy.FilterGuard, noGuard())
		return out
	}
	set(envoy.FilterGuard, guardOn(r))
	if refused := refusalsOf(r); len(refused) > 0 {
		set(envoy.FilterPolicy, refused.judge())
	}
	if name := b.requirement(r); name != "" {
		set(envoy.FilterJWT, &jwtv3.PerRouteConfig{
			RequirementSpecifier: &jwtv3.PerRouteConfig_RequirementName{RequirementName: name},
		})
	}
	if r.CallsAuthorization() {
		filter := envoy.FilterAuthzClosed
		if r.CheckAway() == gateway.Open {
			filter = envoy.FilterAuthzOpen
		}
		set(filter, check(r))
	}
	if l := r.DistributedLimits(); len(l) > 0 {
		set(envoy.FilterQuotaMark, markQuota(&l[0]))
		set(envoy.FilterQuota, quotaOn())
	}
	if r.CallsLimits() || r.TellsLate() {
		filter := envoy.FilterRateLimitOpen
		if r.CallsLimits() && r.LimitsAway() == gateway.Closed {
			filter = envoy.FilterRateLimitClosed
		}
		set(filter, charges(r))
	}
	if ceiling := ceilings(r); ceiling != nil {
		filter := envoy.FilterCeiling
		if r.CheckSpends() {
			filter = envoy.FilterCeilingCheck
		}
		set(filter, ceiling)
	}
	if costs := costHeaders(r); costs != nil {
		set(envoy.FilterCost, costs)
	}
	return out
}

// Filters returns the filters that a route switches on or configures, in the listener's order.
func Filters(r *gateway.Route) []string {
	named := newBuilder().perFilter(r)
	var out []string
	for _, f := range httpFilters(r.Gateway) {
		if named[f.Name] != nil {
			out = append(out, f.Name)
		}
	}
	return out
}

// check returns what a route adds to its Check: the rules, whether it spends the limits, the body where a policy reads it, and
// its own timeout.
func check(r *gateway.Route) *extauthzv3.ExtAuthzPerRoute {
	settings := &extauthzv3.CheckSettings{ContextExtensions: map[string]string{envoy.KeyRules: r.Rules}}
	if r.CheckSpends() {
		settings.ContextExtensions[envoy.KeyLimits] = envoy.LimitsSpend
	}
	if r.ReadsBody() {
		settings.WithRequestBody = &extauthzv3.BufferSettings{
			MaxRequestBytes: maxCheckBody, AllowPartialMessage: true, PackAsBytes: r.ReadsMessages(), // As text a message would be spoilt.
		}
	}
	if r.Timeouts.Authorization != r.Gateway.Timeouts.Authorization {
		settings.ServiceOverride = &extauthzv3.CheckSettings_GrpcService{
			GrpcService: checks(r.Gateway, r.Timeouts.Authorization),
		}
	}
	return &extauthzv3.ExtAuthzPerRoute{Override: &extauthzv3.ExtAuthzPerRoute_CheckSettings{CheckSettings: settings}}
}
