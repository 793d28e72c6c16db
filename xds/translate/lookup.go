package translate

import (
	"cmp"
	"slices"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// placedHost is a virtual host and the place of a document that speaks of it.
type placedHost struct {
	host   *routev3.VirtualHost
	origin gateway.Place
}

// virtualHosts returns the virtual hosts of a listener: one for each host pattern that a route names there, and one for all
// others, which answers 404. Each is complete in itself: the routes of wider patterns are in it too, after its own.
func virtualHosts(routeConfiguration string, l *gateway.Listener, routes []*gateway.Route) []placedHost {
	hosts := []string{gateway.AnyHost}
	for _, r := range routes {
		for _, h := range r.Hosts {
			hosts = append(hosts, l.ServedHosts(h)...)
		}
	}
	slices.SortFunc(hosts, gateway.CompareHosts)
	var out []placedHost
	for _, host := range slices.Compact(hosts) {
		var candidates []*gateway.Route
		if l.Serves(host) { // Not so for "*", which stands here for every host that the listener does not serve.
			candidates = Candidates(host, routes)
		}
		vh := &routev3.VirtualHost{Name: routeConfiguration + "/" + host, Domains: []string{host}}
		placed := placedHost{host: vh}
		if len(candidates) == 0 {
			vh.Routes = []*routev3.Route{notFound()}
		} else {
			vh.Matcher = lookup(candidates)
			placed.origin = candidates[0].Origin
		}
		out = append(out, placed)
	}
	return out
}

// Candidates returns the routes that can match requests to a host, in their order of precedence: those of the narrowest host
// pattern first.
func Candidates(host string, routes []*gateway.Route) []*gateway.Route {
	type ranked struct {
		pattern string
		route   *gateway.Route
	}
	var found []ranked
	for _, r := range routes {
		// A route's hosts are in order of precedence, so the first that covers is the narrowest.
		if i := slices.IndexFunc(r.Hosts, func(h string) bool { return gateway.HostCovers(h, host) }); i >= 0 {
			found = append(found, ranked{pattern: r.Hosts[i], route: r})
		}
	}
	slices.SortFunc(found, func(a, b ranked) int {
		if c := gateway.CompareHosts(a.pattern, b.pattern); c != 0 {
			return c
		}
		return gateway.ComparePrecedence(a.route, b.route)
	})
	out := make([]*gateway.Route, len(found))
	for i, f := range found {
		out[i] = f.route
	}
	return out
}

// lookup returns the matcher of a virtual host: a map of exact paths, then a map of path prefixes, both found in time that
// does not depend on the number of routes (envoy-facts 2). The input is the path with its query, so each place in the tree
// has three keys: "/pay" exactly, "/pay?" and "/pay/"; "/payroll" is none of them. The first action that Envoy reaches is
// final, so each is a list of every route that could match there, its own and those of all shorter prefixes, in order of
// precedence, closed by a 404.
func lookup(candidates []*gateway.Route) *xdsmatcherv3.Matcher {
	t := newTree(candidates)
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
	last := action([]*routev3.Route{notFound()})
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

// action returns the final list of routes at one place.
func action(routes []*routev3.Route) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{
		Name:        "routes",
		TypedConfig: packed(&routev3.RouteList{Routes: routes}),
	}}}
}
