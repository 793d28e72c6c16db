package translate

import (
	"slices"
	"strings"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// tree sorts the candidates of one host by the literal segments that their paths begin with.
type tree struct {
	builder *builder
	places  map[string]*place
	ranks   []*routev3.Route // The candidates as Envoy's routes, in order of precedence.
	ours    []*gateway.Route
}

// place is one literal path ("/pay", "" for the root) in the tree.
type place struct {
	self  bool  // Some route may match this path itself, so that its key is needed.
	below bool  // Some route may match a path below it.
	at    []int // Ranks of the routes whose literal part ends here.
}

func (b *builder) newTree(candidates []*gateway.Route) *tree {
	t := &tree{builder: b, places: map[string]*place{}, ours: candidates}
	for rank, r := range candidates {
		t.ranks = append(t.ranks, b.route(r))
		path := r.Match.Path
		literal := path.Literal()
		p := t.places[literal]
		if p == nil {
			p = &place{}
			t.places[literal] = p
		}
		p.at = append(p.at, rank)
		switch {
		case path.Exact():
			p.self = true
		case path.Prefix && len(path.Segments) == strings.Count(literal, "/"):
			p.self, p.below = true, true
		default:
			p.below = true
		}
	}
	return t
}

// leaf returns the action at a place: every route that can match the path itself (self) or a path below it. A route whose
// literal part is the whole of a shorter or equal path can; one that matches its literal path only can nowhere else.
func (t *tree) leaf(literal string, self bool) *xdsmatcherv3.Matcher_OnMatch {
	var ranks []int
	for at := literal; ; at = at[:strings.LastIndexByte(at, '/')] {
		if p := t.places[at]; p != nil {
			for _, rank := range p.at {
				if t.canMatch(rank, literal, self) {
					ranks = append(ranks, rank)
				}
			}
		}
		if at == "" {
			break
		}
	}
	slices.Sort(ranks)
	routes := make([]*routev3.Route, 0, len(ranks)+1)
	for _, rank := range ranks {
		routes = append(routes, t.ranks[rank])
		if takesAll(t.ours[rank]) {
			return t.builder.action(routes...) // None behind it is ever reached, and each would stand at every place.
		}
	}
	return t.builder.action(append(routes, t.builder.notFound)...)
}

// takesAll reports whether a route matches every request at the places below the literal path at which it stands.
func takesAll(r *gateway.Route) bool {
	m := &r.Match
	return m.Path.Prefix && m.Path.Regex == "" && len(m.Path.Segments) == strings.Count(m.Path.Literal(), "/") &&
		len(m.Methods) == 0 && !m.Conditional()
}

// canMatch leaves out what certainly cannot match: a list is walked from its front for every request.
func (t *tree) canMatch(rank int, literal string, self bool) bool {
	path := t.ours[rank].Match.Path
	if path.Exact() {
		return self && path.Literal() == literal
	}
	if self && path.Regex == "" {
		whole := literal
		if whole == "" {
			whole = "/"
		}
		return path.Matches(whole)
	}
	return true
}
