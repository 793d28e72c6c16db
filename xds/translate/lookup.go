package translate

import (
	"cmp"
	"slices"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/gateway"
)

// A RouteList on the wire: its type, and the number of its one field.
const (
	routeListType   = "type.googleapis.com/envoy.config.route.v3.RouteList"
	routeListRoutes = 1
)

// Candidates returns the routes that can match requests to a host, in their order of precedence: those of the narrowest host
// pattern first.
func Candidates(host string, routes []*gateway.Route) []*gateway.Route {
	return covering(byPattern(routes).of(host))
}

// patterns holds routes by each of their host patterns.
type patterns map[string][]*gateway.Route

func byPattern(routes []*gateway.Route) patterns {
	p := patterns{}
	for _, r := range routes {
		for _, h := range r.Hosts {
			p[h] = append(p[h], r)
		}
	}
	return p
}

// of returns the routes of each pattern that covers a host, the narrowest pattern first. It looks the patterns up: with as
// many hosts as routes, comparing each with each takes longer than all the rest.
func (p patterns) of(host string) [][]*gateway.Route {
	var out [][]*gateway.Route
	for _, pattern := range patternsOf(host) {
		if routes := p[pattern]; len(routes) > 0 {
			out = append(out, routes)
		}
	}
	return out
}

// covering puts the routes of the patterns that cover a host in order of precedence, each where its narrowest pattern puts it.
func covering(byPattern [][]*gateway.Route) []*gateway.Route {
	var out []*gateway.Route
	seen := map[*gateway.Route]bool{}
	for _, routes := range byPattern {
		from := len(out)
		for _, r := range routes {
			if !seen[r] {
				seen[r] = true
				out = append(out, r)
			}
		}
		slices.SortFunc(out[from:], gateway.ComparePrecedence)
	}
	return out
}

// patternsOf returns every pattern that covers a host, the narrowest first: for "a.bank.test" itself, "*.bank.test", "*.test"
// and "*".
func patternsOf(host string) []string {
	out := []string{host}
	for i := 1; i < len(host); i++ {
		if pattern := "*" + host[i:]; host[i] == '.' && pattern != host {
			out = append(out, pattern)
		}
	}
	if host != gateway.AnyHost {
		out = append(out, gateway.AnyHost)
	}
	return out
}

// matcher returns the matcher of a virtual host: a map of exact paths, then a map of path prefixes, both found in time that
// does not depend on the number of routes (envoy-facts 2). The input is the path with its query, so each place in the tree
// has three keys: "/pay" exactly, "/pay?" and "/pay/"; "/payroll" is none of them. The first action that Envoy reaches is
// final, so each is a list of every route that could match there, its own and those of all shorter prefixes, in order of
// precedence, closed by a 404.
func (t *tree) matcher() *xdsmatcherv3.Matcher {
	exact := map[string]*xdsmatcherv3.Matcher_OnMatch{}
	prefixes := map[string]*xdsmatcherv3.Matcher_OnMatch{}
	for literal, here := range t.places {
		if here.self {
			path, leaf := cmp.Or(literal, "/"), t.leaf(literal, true)
			exact[path] = leaf
			prefixes[path+"?"] = leaf
		}
		if here.below {
			prefixes[literal+"/"] = t.leaf(literal, false)
		}
	}
	last := t.builder.action(t.builder.notFound)
	tree := last
	if len(prefixes) > 0 {
		tree = &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Matcher{Matcher: pathMatcher(
			&xdsmatcherv3.Matcher_MatcherTree{TreeType: &xdsmatcherv3.Matcher_MatcherTree_PrefixMatchMap{
				PrefixMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: prefixes},
			}}, last,
		)}}
	}
	if len(exact) == 0 {
		if m := tree.GetMatcher(); m != nil {
			return m
		}
	}
	return pathMatcher(&xdsmatcherv3.Matcher_MatcherTree{TreeType: &xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap{
		ExactMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: exact},
	}}, tree)
}

func pathMatcher(tree *xdsmatcherv3.Matcher_MatcherTree, otherwise *xdsmatcherv3.Matcher_OnMatch) *xdsmatcherv3.Matcher {
	tree.Input = &xdscorev3.TypedExtensionConfig{
		Name:        "path",
		TypedConfig: packed(&matcherv3.HttpRequestHeaderMatchInput{HeaderName: ":path"}),
	}
	return &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: tree},
		OnNoMatch:   otherwise,
	}
}

// action returns the final list of routes at one place: a RouteList, put together from routes that are marshalled once, as
// each stands at many places.
func (b *builder) action(routes ...*routev3.Route) *xdsmatcherv3.Matcher_OnMatch {
	size := 0
	for _, r := range routes {
		size += len(b.wire(r)) + protowire.SizeTag(routeListRoutes) + protowire.SizeVarint(uint64(len(b.wire(r))))
	}
	list := make([]byte, 0, size)
	for _, r := range routes {
		list = protowire.AppendTag(list, routeListRoutes, protowire.BytesType)
		list = protowire.AppendBytes(list, b.wire(r))
	}
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{
		Name:        "routes",
		TypedConfig: &anypb.Any{TypeUrl: routeListType, Value: list},
	}}}
}
