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
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	cmpgo "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// call is a request as the lookup sees it.
type call struct {
	host, method, path, query string
	beta                      []string // The lines of its header x-beta.
	tier                      []string // The cookies tier that it carries.
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
	query, err := url.ParseQuery(c.query)
	if err != nil {
		return false
	}
	first := func(values []string) []string { return values[:min(len(values), 1)] }
	for _, x := range []struct {
		conditions []gateway.Condition
		values     []string
	}{{m.Headers, c.beta}, {m.Cookies, first(c.tier)}, {m.Query, first(query["q"])}} {
		for _, q := range x.conditions {
			if !naively(q, x.values) {
				return false
			}
		}
	}
	return true
}

// naively holds a condition against values, in as few words as its meaning takes.
func naively(q gateway.Condition, values []string) bool {
	one := func(fits func(string) bool) bool { return slices.ContainsFunc(values, fits) }
	switch q.How {
	case gateway.ByAbsence:
		return len(values) == 0
	case gateway.ByDefault:
		return len(values) == 0 || one(func(v string) bool { return v == "" || v == q.Value })
	case gateway.ByPrefix:
		return one(func(v string) bool { return strings.HasPrefix(v, q.Value) })
	case gateway.ByRegex:
		return one(regexp.MustCompile(`\A(?:` + q.Value + `)\z`).MatchString)
	case gateway.ByValue:
	}
	return one(func(v string) bool { return q.Value == "" || v == q.Value })
}

// randomCondition draws a condition on a name; ByDefault is for headers only.
func randomCondition(t *rapid.T, name string) []gateway.Condition {
	all := []gateway.Condition{
		{Name: name, Value: "1"},
		{Name: name, Value: "12"},
		{Name: name},
		{Name: name, Value: "1", How: gateway.ByPrefix},
		{Name: name, Value: "12", How: gateway.ByPrefix},
		{Name: name, Value: "[0-9]+", How: gateway.ByRegex},
		{Name: name, How: gateway.ByAbsence},
	}
	if name == "x-beta" {
		all = append(all, gateway.Condition{Name: name, Value: "1", How: gateway.ByDefault})
	}
	return []gateway.Condition{rapid.SampledFrom(all).Draw(t, "condition on "+name)}
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
		for _, x := range []struct {
			name string
			list *[]gateway.Condition
		}{{"x-beta", &m.Headers}, {"tier", &m.Cookies}, {"q", &m.Query}} {
			if rapid.IntRange(0, 3).Draw(t, "whether on "+x.name) == 0 {
				*x.list = randomCondition(t, x.name)
			}
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
		key := fmt.Sprint(r.Hosts, r.Match.Methods, r.Match.Path.Shape(), r.Match.Headers, r.Match.Cookies, r.Match.Query)
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
		path:  rapid.SampledFrom([]string{path, path, path + "/", "/"}).Draw(t, "path"),
		query: rapid.SampledFrom([]string{"", "", "q=1", "q=2", "q=12x", "q=x&q=1", "q", "z=/pay/"}).Draw(t, "query"),
		beta:  rapid.SampledFrom([][]string{nil, nil, {"1"}, {"12"}, {"x"}, {"12x", "1"}, {"x", "y"}, {""}}).Draw(t, "beta"),
		tier:  rapid.SampledFrom([][]string{nil, nil, {"1"}, {"12"}, {"x"}, {"12x", "1"}, {""}}).Draw(t, "tier"),
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
		fmt.Fprintf(&b, "%s %v %v %s %v %v %v\n", r.Name, r.Hosts, r.Match.Methods, r.Match.Path, r.Match.Headers, r.Match.Cookies, r.Match.Query)
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
		values := c.beta
		if h.Name == ":method" {
			values = []string{c.method}
		}
		if len(values) == 0 && h.TreatMissingHeaderAsEmpty {
			values = []string{""}
		}
		if !compares(h.GetStringMatch(), h.GetPresentMatch(), values) {
			return false
		}
	}
	for _, k := range m.Cookies {
		if compares(k.StringMatch, true, c.tier[:min(len(c.tier), 1)]) == k.InvertMatch {
			return false
		}
	}
	query, err := url.ParseQuery(c.query)
	for _, q := range m.QueryParameters {
		values := query[q.Name]
		if err != nil || !compares(q.GetStringMatch(), q.GetPresentMatch(), values[:min(len(values), 1)]) {
			return false
		}
	}
	return true
}

// compares does what Envoy does with a matcher of values: one that fits will do; without a matcher it is about presence.
func compares(m *matcherv3.StringMatcher, present bool, values []string) bool {
	if m == nil {
		return present == (len(values) > 0)
	}
	return slices.ContainsFunc(values, func(v string) bool {
		switch p := m.MatchPattern.(type) {
		case *matcherv3.StringMatcher_Prefix:
			return strings.HasPrefix(v, p.Prefix)
		case *matcherv3.StringMatcher_SafeRegex:
			return regexp.MustCompile("^(?:" + p.SafeRegex.Regex + ")$").MatchString(v)
		}
		return v == m.GetExact()
	})
}
