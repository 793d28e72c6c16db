package translate

import (
	"fmt"
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
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
	changeHeaders(out, r.Headers, r)
	hideHeaders(out, r)
	varyByOrigin(out, r)
	switch r.Action {
	case gateway.ActionForward:
		if r.Awaits(b.observed) {
			b.await(out)
			break
		}
		tell(out, r)
		out.Action, out.Metadata = &routev3.Route_Route{Route: b.forward(r)}, reasons(r)
		out.GetRoute().RateLimits = localCharges(r)
		if b := r.Shaping.Body; b != nil && b.Request != nil {
			out.RequestBodyBufferLimit = wrapperspb.UInt64(maxChangedBody)
		}
	case gateway.ActionMethod:
		direct(out, gateway.NewProblem(405, gateway.ProblemMethod, "this path takes "+strings.Join(r.Allow, ", ")))
		out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, setHeader("allow", strings.Join(r.Allow, ", ")))
	case gateway.ActionDown:
		direct(out, gateway.NewProblem(503, gateway.ProblemQuarantined, "the configuration of this API has faults, and no good version of it is known"))
		out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, setHeader("retry-after", "60"))
	case gateway.ActionPreflight: // Envoy's filter answers only for routes that lead somewhere. The guard lets nothing go there.
		out.Action = &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: b.cluster(r.Targets[0].Upstream)},
		}}
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
	changeHeaders(out, headers, &gateway.Route{Name: out.Name})
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

// match returns a route's own conditions. The lookup has narrowed the candidates by prefix; these decide among them.
func match(m *gateway.Match) *routev3.RouteMatch {
	out := &routev3.RouteMatch{}
	switch literal := m.Path.Literal(); {
	case m.Path.Prefix && literal == "" && len(m.Path.Segments) == 0:
		out.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: "/"}
	case m.Path.Exact():
		out.PathSpecifier = &routev3.RouteMatch_Path{Path: m.Path.String()}
	case m.Path.Prefix && literal == strings.TrimSuffix(m.Path.String(), "/**"):
		out.PathSpecifier = &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: literal}
	default:
		out.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.Path.Expression()}}
	}
	if len(m.Methods) > 0 {
		out.Headers = append(out.Headers, methodMatcher(m.Methods))
	}
	for _, c := range m.Headers {
		out.Headers = append(out.Headers, headerMatcher(c))
	}
	for _, c := range m.Query {
		out.QueryParameters = append(out.QueryParameters, queryMatcher(c))
	}
	return out
}

func methodMatcher(methods []string) *routev3.HeaderMatcher {
	m := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: methods[0]}}
	if len(methods) > 1 {
		quoted := make([]string, len(methods))
		for i, name := range methods {
			quoted[i] = regexp.QuoteMeta(name)
		}
		m.MatchPattern = &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: strings.Join(quoted, "|")}}
	}
	return &routev3.HeaderMatcher{Name: ":method", HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

func headerMatcher(c gateway.Condition) *routev3.HeaderMatcher {
	if c.Value == "" {
		return &routev3.HeaderMatcher{Name: c.Name, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}}
	}
	return &routev3.HeaderMatcher{Name: c.Name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{
		StringMatch: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: c.Value}},
	}}
}

func queryMatcher(c gateway.Condition) *routev3.QueryParameterMatcher {
	if c.Value == "" {
		return &routev3.QueryParameterMatcher{
			Name:                         c.Name,
			QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_PresentMatch{PresentMatch: true},
		}
	}
	return &routev3.QueryParameterMatcher{Name: c.Name, QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_StringMatch{
		StringMatch: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: c.Value}},
	}}
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
		shares := &routev3.WeightedCluster{}
		for _, t := range r.Targets {
			shares.Clusters = append(shares.Clusters, &routev3.WeightedCluster_ClusterWeight{
				Name: b.cluster(t.Upstream), Weight: wrapperspb.UInt32(uint32(t.Weight)),
			})
		}
		out.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: shares}
	}
	if base := strings.TrimSuffix(r.Base, "/"); base != "" {
		out.RegexRewrite = &matcherv3.RegexMatchAndSubstitute{
			Pattern:      &matcherv3.RegexMatcher{Regex: "^" + regexp.QuoteMeta(base) + "/?"},
			Substitution: "/",
		}
	}
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
	shape(r, set)
	if r.Action == gateway.ActionPreflight {
		set(envoy.FilterGuard, &rbacv3.RBACPerRoute{Rbac: guard()})
		return out
	}
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
		if named[f.Name] != nil && f.Name != envoy.FilterHide { // A route only switches that off.
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
