package gateway

import (
	"reflect"
	"slices"
)

// Headers by which a browser asks whether a page may send a request (Fetch standard, 3.2.2). Such a preflight has the method OPTIONS.
const (
	HeaderOrigin        = "origin"
	HeaderRequestMethod = "access-control-request-method"
	methodPreflight     = "OPTIONS"
)

// preflights returns the routes to which preflights come that no other route of an API with the same rules for pages takes: those
// for operations of certain methods that say something else than the API does, or that have no API around them. What answers
// is Envoy's CORS filter, before anybody is asked who they are; the route itself answers whom that does not let in.
func (a *assembler) preflights(api *API, listed []Route) []Route {
	around := Shaping{CORS: api.Shaping.CORS}.settled().CORS
	var out []Route
	seen := map[string]bool{}
	for i := range listed {
		r := &listed[i]
		own := r.Shaping.settled().CORS
		if r.Action != ActionForward || len(r.Match.Methods) == 0 || slices.Contains(r.Match.Methods, methodPreflight) ||
			own == nil && around == nil || api.Kind == KindAPI && reflect.DeepEqual(own, around) {
			continue
		}
		for _, method := range r.Match.Methods {
			p := a.route(api, "method-not-allowed", ActionMethod, r.Origin)
			p.Shaping, p.Allow = r.Shaping.answering(), r.Match.Methods
			p.Match = Match{Methods: []string{methodPreflight}, Path: r.Match.Path, Query: r.Match.Query, Headers: []Condition{
				{Name: HeaderOrigin}, {Name: HeaderRequestMethod, Value: method},
			}}
			if key := p.Match.key(); !seen[key] {
				seen[key] = true
				out = append(out, p)
			}
		}
	}
	return out
}
