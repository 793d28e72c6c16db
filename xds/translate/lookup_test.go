package translate

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	cmpgo "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// call is a request as the lookup sees it.
type call struct {
	host, method, path, query string
	header                    bool // Whether it carries "x-beta: 1".
}

func (c call) target() string {
	if c.query == "" {
		return c.path
	}
	return c.path + "?" + c.query
}

// naive finds the route of a request the slow way: it looks at all of them and takes the first in precedence that matches.
func naive(routes []*gateway.Route, c call) string {
	best, bestHost := (*gateway.Route)(nil), ""
	for _, r := range routes {
		i := slices.IndexFunc(r.Hosts, func(h string) bool { return gateway.HostCovers(h, c.host) })
		if i < 0 || !holds(&r.Match, c) {
			continue
		}
		if best == nil || cmp.Or(gateway.CompareHosts(r.Hosts[i], bestHost), gateway.ComparePrecedence(r, best)) < 0 {
			best, bestHost = r, r.Hosts[i]
		}
	}
	if best == nil {
		return "not-found"
	}
	return best.Name
}

func holds(m *gateway.Match, c call) bool {
	if !m.Path.Matches(c.path) || (len(m.Methods) > 0 && !slices.Contains(m.Methods, c.method)) {
		return false
	}
	for range m.Headers {
		if !c.header {
			return false
		}
	}
	query, err := url.ParseQuery(c.query)
	for _, q := range m.Query {
		if err != nil || !query.Has(q.Name) || (q.Value != "" && query.Get(q.Name) != q.Value) {
			return false
		}
	}
	return true
}

// randomRoutes draws routes whose paths stand close to one another.
func randomRoutes(t *rapid.T, host string) []*gateway.Route {
	segment := rapid.SampledFrom([]string{"pay", "payroll", "p", "{id}", "x{n}", "{n}.json"})
	var routes []*gateway.Route
	for i := range rapid.IntRange(1, 14).Draw(t, "routes") {
		text := ""
		for range rapid.IntRange(0, 3).Draw(t, "depth") {
			text += "/" + segment.Draw(t, "segment")
		}
		text += rapid.SampledFrom([]string{"", "/", "/**"}).Draw(t, "end")
		p, err := gateway.ParsePath(text)
		if rapid.IntRange(0, 9).Draw(t, "regex") == 0 {
			p, err = gateway.ParseRegexPath(rapid.SampledFrom([]string{"/pay.*", "/[a-z]+", "/.*json", "/p(/.*)?"}).Draw(t, "expression"))
			p = p.Join(rapid.SampledFrom([]string{"", "/pay", "/p/pay"}).Draw(t, "base"))
		}
		if err != nil {
			continue
		}
		m := gateway.Match{Path: p, Methods: rapid.SampledFrom([][]string{nil, nil, {"GET"}, {"POST"}, {"GET", "POST"}}).Draw(t, "methods")}
		if rapid.IntRange(0, 4).Draw(t, "header") == 0 {
			m.Headers = []gateway.Condition{{Name: "x-beta", Value: "1"}}
		}
		if rapid.IntRange(0, 4).Draw(t, "query") == 0 {
			m.Query = []gateway.Condition{{Name: "q", Value: rapid.SampledFrom([]string{"", "1"}).Draw(t, "value")}}
		}
		hosts := rapid.SampledFrom([][]string{{host}, {host}, {"*.test"}, {"*"}, {host, "*"}}).Draw(t, "hosts")
		routes = append(routes, &gateway.Route{
			Name: fmt.Sprintf("r%d", i), Action: gateway.ActionForward, Public: true, Hosts: hosts, Match: m,
			Gateway: &gateway.Gateway{Name: "edge", Fleet: "edge"},
			Targets: []gateway.Target{{Upstream: &gateway.Upstream{Name: "up"}, Weight: 1}},
		})
	}
	return distinct(routes)
}

// distinct leaves out routes that match what an earlier one matches; Assemble would refuse them.
func distinct(routes []*gateway.Route) []*gateway.Route {
	seen := map[string]bool{}
	return slices.DeleteFunc(routes, func(r *gateway.Route) bool {
		key := fmt.Sprint(r.Hosts, r.Match.Methods, r.Match.Path.Shape(), r.Match.Headers, r.Match.Query)
		known := seen[key]
		seen[key] = true
		return known
	})
}

func randomCall(t *rapid.T, host string) call {
	path := ""
	for range rapid.IntRange(1, 4).Draw(t, "parts") {
		path += "/" + rapid.SampledFrom([]string{"pay", "payroll", "p", "x1", "7", "a.json", "payx"}).Draw(t, "part")
	}
	return call{
		host: host, method: rapid.SampledFrom([]string{"GET", "POST", "PUT"}).Draw(t, "method"),
		path:   rapid.SampledFrom([]string{path, path, path + "/", "/"}).Draw(t, "path"),
		query:  rapid.SampledFrom([]string{"", "", "q=1", "q=2", "z=/pay/"}).Draw(t, "query"),
		header: rapid.Bool().Draw(t, "beta"),
	}
}

// TestLookupIsNaive holds the matcher tree, walked as Envoy documents it, against the naive search. A real Envoy walks it in
// TestLookupOnEnvoy.
func TestLookupIsNaive(t *testing.T) { rapid.Check(t, lookupIsNaive) }

func FuzzLookup(f *testing.F) { f.Fuzz(rapid.MakeFuzz(lookupIsNaive)) }

func lookupIsNaive(t *rapid.T) {
	routes := randomRoutes(t, "api.bank.test")
	l := &gateway.Listener{Name: "http", Hosts: rapid.SampledFrom([][]string{
		{"*"}, {"*"}, {"*.test"}, {"api.bank.test"}, {"other.test", "*.example"},
	}).Draw(t, "served")}
	hosts := newBuilder().virtualHosts("edge~http", l, byPattern(routes), nil)
	for range 20 {
		c := randomCall(t, rapid.SampledFrom([]string{"api.bank.test", "other.test", "elsewhere.example"}).Draw(t, "host"))
		want := "not-found"
		if slices.ContainsFunc(l.Hosts, func(h string) bool { return gateway.HostCovers(h, c.host) }) {
			want = naive(routes, c)
		}
		if got := walk(hosts, c); got != want {
			t.Fatalf("%s %s at %s, served %v, goes to %s, want %s; routes:\n%s", c.method, c.target(), c.host, l.Hosts, got, want, describe(routes))
		}
	}
}

// TestLookupIsShort holds what makes the lookup fast: every key of the tree ends at the border of a segment, and a list of
// routes holds only what can match there, up to the first that takes everything.
func TestLookupIsShort(t *testing.T) {
	t.Parallel()
	var routes []*gateway.Route
	for i, text := range []string{"/", "/a", "/a/b", "/a/b/c", "/a/b/{id}", "/a/{x}/c", "/ab/**", "/ab/c/**", "/p/{id}/**"} {
		p, err := gateway.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, &gateway.Route{
			Name: text, Action: gateway.ActionRefuse, Public: true, Hosts: []string{"*"}, Match: gateway.Match{Path: p},
			Gateway: &gateway.Gateway{Name: "edge"}, Operation: fmt.Sprint(i),
		})
	}
	want := map[string][]string{
		"= /": {"/"}, "= /a": {"/a"}, "= /a/b": {"/a/b"}, "= /a/b/c": {"/a/b/c", "/a/b/{id}", "/a/{x}/c"}, "= /ab": {"/ab/**"}, "= /ab/c": {"/ab/c/**"},
		"/?": {"/"}, "/a?": {"/a"}, "/a/b?": {"/a/b"}, "/a/b/c?": {"/a/b/c", "/a/b/{id}", "/a/{x}/c"}, "/ab?": {"/ab/**"}, "/ab/c?": {"/ab/c/**"},
		"/a/": {"/a/{x}/c"}, "/p/": {"/p/{id}/**"}, "/a/b/": {"/a/b/{id}", "/a/{x}/c"}, "/ab/": {"/ab/**"}, "/ab/c/": {"/ab/c/**"},
	}
	got := map[string][]string{}
	gather := func(mark string, table map[string]*xdsmatcherv3.Matcher_OnMatch) {
		for key, on := range table {
			list := &routev3.RouteList{}
			if err := on.GetAction().GetTypedConfig().UnmarshalTo(list); err != nil {
				t.Fatal(err)
			}
			got[mark+key] = []string{}
			for _, r := range list.Routes {
				if r.Name != "not-found" {
					got[mark+key] = append(got[mark+key], r.Name)
				}
			}
		}
	}
	m := newBuilder().newTree(Candidates("*", routes)).matcher()
	gather("= ", m.GetMatcherTree().GetExactMatchMap().GetMap())
	gather("", m.OnNoMatch.GetMatcher().GetMatcherTree().GetPrefixMatchMap().GetMap())
	if diff := cmpgo.Diff(want, got); diff != "" {
		t.Errorf("the tree (-want +got):\n%s", diff)
	}
}

func describe(routes []*gateway.Route) string {
	var b strings.Builder
	for _, r := range routes {
		fmt.Fprintf(&b, "%s %v %v %s %v %v\n", r.Name, r.Hosts, r.Match.Methods, r.Match.Path, r.Match.Headers, r.Match.Query)
	}
	return b.String()
}

// walk does what Envoy does: the narrowest virtual host, the first action, the first route of its list whose match holds.
func walk(hosts []*placedHost, c call) string {
	for _, h := range hosts {
		if !gateway.HostCovers(h.host.Domains[0], c.host) {
			continue
		}
		list := h.host.Routes
		if h.host.Matcher != nil {
			list = reach(h.host.Matcher, c.target())
		}
		for _, r := range list {
			if envoyHolds(r.Match, c) {
				return r.Name
			}
		}
		return "route_not_found"
	}
	return "no virtual host"
}

func reach(m *xdsmatcherv3.Matcher, path string) []*routev3.Route {
	tree := m.GetMatcherTree()
	found := tree.GetExactMatchMap().GetMap()[path]
	longest := -1
	for key, on := range tree.GetPrefixMatchMap().GetMap() {
		if strings.HasPrefix(path, key) && len(key) > longest {
			found, longest = on, len(key)
		}
	}
	if found == nil {
		found = m.OnNoMatch
	}
	if inner := found.GetMatcher(); inner != nil {
		return reach(inner, path)
	}
	list := &routev3.RouteList{}
	if err := found.GetAction().GetTypedConfig().UnmarshalTo(list); err != nil {
		return nil
	}
	return list.Routes
}

func envoyHolds(m *routev3.RouteMatch, c call) bool {
	switch p := m.PathSpecifier.(type) {
	case *routev3.RouteMatch_Prefix:
		if !strings.HasPrefix(c.target(), p.Prefix) {
			return false
		}
	case *routev3.RouteMatch_Path:
		if c.path != p.Path {
			return false
		}
	case *routev3.RouteMatch_PathSeparatedPrefix:
		if c.path != p.PathSeparatedPrefix && !strings.HasPrefix(c.path, p.PathSeparatedPrefix+"/") {
			return false
		}
	case *routev3.RouteMatch_SafeRegex:
		if !regexp.MustCompile("^(?:" + p.SafeRegex.Regex + ")$").MatchString(c.path) {
			return false
		}
	}
	for _, h := range m.Headers {
		s := h.GetStringMatch()
		switch {
		case h.Name == "x-beta":
			if !c.header {
				return false
			}
		case s.GetSafeRegex() != nil:
			if !regexp.MustCompile("^(?:" + s.GetSafeRegex().Regex + ")$").MatchString(c.method) {
				return false
			}
		case s.GetExact() != c.method:
			return false
		}
	}
	query, err := url.ParseQuery(c.query)
	for _, q := range m.QueryParameters {
		if err != nil || !query.Has(q.Name) || (q.GetStringMatch() != nil && query.Get(q.Name) != q.GetStringMatch().GetExact()) {
			return false
		}
	}
	return true
}
