package gateway

import (
	"fmt"
	"slices"
)

// unlisted returns the routes for what lies below an API's base but is none of its operations. A Route document has none.
func (a *assembler) unlisted(api *API, listed []Route) []Route {
	if api.Kind == KindRoute {
		return nil
	}
	everything := Path{Prefix: true}
	if slices.ContainsFunc(listed, func(r Route) bool { return r.Match.key() == (&Match{Path: everything}).key() }) {
		return nil
	}
	if api.Unlisted == Forward {
		op := Operation{ID: "unlisted", Match: Match{Path: everything}, Field: "unlisted"}
		r, ok := a.forward(api, &op)
		if !ok {
			a.apiFault(api, CodeNoAuthenticate, "unlisted",
				"unlisted: forward lets requests pass that no operation lists, but %s has no authenticate of its own: write it", api.Ref())
		}
		return []Route{r}
	}
	refuse := a.route(api, "unlisted", ActionRefuse, api.Origin.At("unlisted"))
	refuse.Match.Path = everything
	return append(a.otherMethods(api, listed), refuse)
}

// otherMethods returns, for each listed path, the route that answers 405 to methods that are not listed (RFC 9110 15.5.6).
func (a *assembler) otherMethods(api *API, listed []Route) []Route {
	var routes []Route
	at := map[string]int{}
	for _, r := range listed {
		if len(r.Match.Methods) == 0 || len(r.Match.Headers)+len(r.Match.Query) > 0 {
			continue
		}
		shape := r.Match.Path.Shape()
		i, ok := at[shape]
		if !ok {
			i = len(routes)
			at[shape] = i
			other := a.route(api, "method-not-allowed", ActionMethod, r.Origin)
			other.Match.Path = r.Match.Path
			routes = append(routes, other)
		}
		routes[i].Allow = append(routes[i].Allow, r.Match.Methods...)
	}
	for i := range routes {
		slices.Sort(routes[i].Allow)
		routes[i].Allow = slices.Compact(routes[i].Allow)
	}
	return slices.DeleteFunc(routes, func(other Route) bool {
		return slices.ContainsFunc(listed, func(r Route) bool { return r.Match.key() == other.Match.key() })
	})
}

// distinct finds routes that match the same requests on the same host of the same gateway: which one answers would depend
// on their order. Both are at fault, as nothing tells which API was meant to have them: were it one alone, quarantine would
// leave the other in its place. Of routes that only refuse, the first is kept in silence.
func (a *assembler) distinct(routes []*Route) []*Route {
	first := make(map[string]*Route, len(routes))
	kept := make([]*Route, 0, len(routes))
	for _, r := range routes {
		if clash := a.claim(first, r); clash == nil || clash == r {
			kept = append(kept, r)
		} else if r.Action == ActionForward && clash.Action == ActionForward {
			a.equalMatch(r, clash)
			if clash.Object != r.Object {
				a.equalMatch(clash, r)
			}
		}
	}
	return kept
}

// equalMatch records that a route matches what another one does.
func (a *assembler) equalMatch(r, other *Route) {
	a.faults = append(a.faults, Fault{
		Code: CodeEqualMatch, Place: r.Origin, Object: r.Object,
		Message: fmt.Sprintf("%s matches the same requests as %s (%s): change the path, the method or a condition of one of them",
			r.Name, other.Name, other.Origin),
	})
}

// claim notes a route under each gateway, host and method it matches, and returns the route that has one of them already.
func (a *assembler) claim(first map[string]*Route, r *Route) *Route {
	methods := r.Match.Methods
	if len(methods) == 0 {
		methods = []string{""}
	}
	rest := r.Match
	rest.Methods = nil
	match := rest.key()
	for _, h := range r.Hosts {
		for _, m := range methods {
			key := r.Gateway.Name + "\x00" + h + "\x00" + m + "\x00" + match
			if r.Action != ActionForward {
				key += "\x00" + string(r.Action)
			}
			if clash, taken := first[key]; taken {
				return clash
			}
			first[key] = r
		}
	}
	return nil
}
