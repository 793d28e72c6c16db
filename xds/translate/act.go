package translate

import (
	"net/http"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	// shares is what the weights of a split come to, whatever the document's do. Envoy takes a hash by their sum: were that another
	// one after a change, every client would be dealt anew.
	shares = 1_000_000
	// maxBody is how many bytes of a direct response Envoy takes; the documents are held to it when they are read.
	maxBody = 128 << 10
	million = 1_000_000
)

// act sets what becomes of requests that are let through: they are forwarded, redirected or answered.
func (b *builder) act(out *routev3.Route, r *gateway.Route) {
	switch {
	case r.Redirect != nil:
		out.Action = &routev3.Route_Redirect{Redirect: redirectTo(r)}
	case r.Respond != nil:
		respond(out, r.Respond)
	default:
		out.Action = &routev3.Route_Route{Route: b.forward(r)}
	}
}

// redirectTo returns the redirect of a route.
func redirectTo(r *gateway.Route) *routev3.RedirectAction {
	to := r.Redirect
	out := &routev3.RedirectAction{HostRedirect: to.Host, PortRedirect: uint32(to.Port), StripQuery: to.StripQuery}
	if to.Scheme != "" {
		out.SchemeRewriteSpecifier = &routev3.RedirectAction_SchemeRedirect{SchemeRedirect: to.Scheme}
	}
	if to.Path != nil {
		out.PathRewriteSpecifier = &routev3.RedirectAction_RegexRewrite{RegexRewrite: substitution(to.Path.Substitute(r.Match.Path))}
	}
	switch to.Status {
	case http.StatusMovedPermanently:
		out.ResponseCode = routev3.RedirectAction_MOVED_PERMANENTLY
	case http.StatusFound:
		out.ResponseCode = routev3.RedirectAction_FOUND
	case http.StatusSeeOther:
		out.ResponseCode = routev3.RedirectAction_SEE_OTHER
	case http.StatusPermanentRedirect:
		out.ResponseCode = routev3.RedirectAction_PERMANENT_REDIRECT
	default:
		out.ResponseCode = routev3.RedirectAction_TEMPORARY_REDIRECT
	}
	return out
}

// respond makes a route answer by itself.
func respond(out *routev3.Route, a *gateway.Respond) {
	direct := &routev3.DirectResponseAction{Status: uint32(a.Status)}
	if a.Body != "" {
		direct.Body = inlineBytes(a.Body)
		out.ResponseHeadersToAdd = append(slices.Clip(out.ResponseHeadersToAdd), setHeader("content-type", a.Type))
	}
	out.Action = &routev3.Route_DirectResponse{DirectResponse: direct}
}

func inlineBytes(text string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: []byte(text)}}
}

func substitution(c gateway.PathChange) *matcherv3.RegexMatchAndSubstitute {
	return &matcherv3.RegexMatchAndSubstitute{Pattern: &matcherv3.RegexMatcher{Regex: c.Pattern}, Substitution: c.With}
}

// rewrite sets the path and the host that an upstream is asked for.
func rewrite(out *routev3.RouteAction, r *gateway.Route) {
	if change, ok := r.NewPath(); ok {
		out.RegexRewrite = substitution(change)
	}
	if r.Rewrite != nil && r.Rewrite.Host != "" {
		out.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: r.Rewrite.Host}
	}
}

// mirrors returns who gets copies, which name the host that the upstream is asked for.
func (b *builder) mirrors(r *gateway.Route) []*routev3.RouteAction_RequestMirrorPolicy {
	var out []*routev3.RouteAction_RequestMirrorPolicy
	inOrder := slices.SortedFunc(slices.Values(r.Mirrors), func(x, y gateway.MirrorTarget) int { return strings.Compare(x.Upstream.Name, y.Upstream.Name) })
	for _, m := range inOrder {
		p := &routev3.RouteAction_RequestMirrorPolicy{Cluster: b.cluster(m.Upstream), DisableShadowHostSuffixAppend: true}
		if m.Percent < 100 {
			p.RuntimeFraction = &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{
				Numerator: uint32(m.Percent * million / 100), Denominator: typev3.FractionalPercent_MILLION,
			}}
		}
		out = append(out, p)
	}
	return out
}

// shared returns how requests are shared out among several upstreams. Where requests alike are to stay together, the upstreams stand
// in order of their names and their weights come to the same sum always, so that a change of weights moves only those requests that
// it must.
func (b *builder) shared(out *routev3.RouteAction, r *gateway.Route) *routev3.WeightedCluster {
	targets := r.Targets
	weighted := &routev3.WeightedCluster{}
	weight := func(own, _, _ int) uint32 { return uint32(own) }
	if r.Split != nil {
		targets = slices.SortedFunc(slices.Values(targets), func(x, y gateway.Target) int { return strings.Compare(x.Upstream.Name, y.Upstream.Name) })
		out.HashPolicy = append(out.HashPolicy, splitBy(r.Split))
		weighted.RandomValueSpecifier = &routev3.WeightedCluster_UseHashPolicy{UseHashPolicy: wrapperspb.Bool(true)}
		weight = func(own, before, all int) uint32 {
			border := func(sum int) uint64 { return uint64(sum) * shares / uint64(all) }
			return uint32(border(before+own) - border(before))
		}
	}
	all, before := 0, 0
	for _, t := range targets {
		all += t.Weight
	}
	for _, t := range targets {
		weighted.Clusters = append(weighted.Clusters, &routev3.WeightedCluster_ClusterWeight{
			Name: b.cluster(t.Upstream), Weight: wrapperspb.UInt32(weight(t.Weight, before, all)),
		})
		before += t.Weight
	}
	return weighted
}

// splitBy returns what is hashed. It ends the list: what an Upstream's own balancing hashes comes into it only where this is not there.
func splitBy(s *gateway.Split) *routev3.RouteAction_HashPolicy {
	out := &routev3.RouteAction_HashPolicy{Terminal: true}
	if s.Header != "" {
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: s.Header}}
	} else {
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Cookie_{Cookie: &routev3.RouteAction_HashPolicy_Cookie{Name: s.Cookie}}
	}
	return out
}
