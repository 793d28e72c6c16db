package gateway

import "slices"

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
		if len(r.Match.Methods) == 0 || r.Match.Conditional() {
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
	taken := make(map[string]bool, len(listed))
	for _, r := range listed {
		taken[r.Match.key()] = true
	}
	return slices.DeleteFunc(routes, func(other Route) bool { return taken[other.Match.key()] })
}
