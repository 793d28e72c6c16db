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

// preflights returns the routes to which preflights come, as operations of certain methods would not take them: one for each path,
// or, where operations of a path differ in who may call them, one for each of their methods. What answers is Envoy's CORS
// filter, before anybody is asked who they are; whom that does not let in is refused.
func (a *assembler) preflights(api *API, listed []Route) []Route {
	if !slices.ContainsFunc(listed, func(r Route) bool { return r.Shaping.settled().CORS != nil }) {
		return nil
	}
	byPath := map[string][]*Route{}
	var order []string
	for i := range listed {
		r := &listed[i]
		if r.Action != ActionForward || len(r.Match.Methods) == 0 || slices.Contains(r.Match.Methods, methodPreflight) || len(r.Targets) == 0 {
			continue
		}
		shape := r.Match.Path.Shape()
		if byPath[shape] == nil {
			order = append(order, shape)
		}
		byPath[shape] = append(byPath[shape], r)
	}
	var out []Route
	for _, shape := range order {
		out = append(out, a.preflightsOf(api, byPath[shape])...)
	}
	return out
}

// preflightsOf returns those of the operations of one path.
func (a *assembler) preflightsOf(api *API, listed []*Route) []Route {
	one := func(r *Route, method string) Route {
		p := a.route(api, "preflight", ActionPreflight, r.Origin)
		p.Public, p.Targets = true, r.Targets[:1]
		p.Shaping = r.Shaping.answering()
		p.Shaping.CORS = r.Shaping.CORS
		p.Match = Match{
			Methods: []string{methodPreflight}, Path: r.Match.Path,
			Headers: []Condition{{Name: HeaderOrigin}, {Name: HeaderRequestMethod, Value: method}},
		}
		return p
	}
	policy := func(r *Route) *CORS { return r.Shaping.settled().CORS }
	if !slices.ContainsFunc(listed, func(r *Route) bool { return !reflect.DeepEqual(policy(r), policy(listed[0])) }) {
		if policy(listed[0]) == nil {
			return nil
		}
		return []Route{one(listed[0], "")}
	}
	var out []Route
	var seen []string
	for _, r := range listed {
		for _, method := range r.Match.Methods {
			if policy(r) != nil && !slices.Contains(seen, method) {
				out = append(out, one(r, method))
			}
			seen = append(seen, method)
		}
	}
	return out
}
