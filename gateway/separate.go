package gateway

// separate gives an API with a bulkhead of its own Upstreams of its own: what the API's requests hold of connections and places,
// no other API's can take, nor the other way round. Their endpoints are those of the Upstream they come from.
func (a *assembler) separate(api *API, targets []Target) []Target {
	if api.Bulkhead == nil {
		return targets
	}
	for i, t := range targets {
		key := separated{api, t.Upstream}
		own, ok := a.separated[key]
		if !ok {
			u := *t.Upstream
			u.Bulkhead, u.For = api.Bulkhead.Over(u.Bulkhead), api.owner()
			own = &u
			a.separated[key] = own
		}
		targets[i].Upstream = own
	}
	return targets
}

// separated names an Upstream of one API's own.
type separated struct {
	api      *API
	upstream *Upstream
}

// owner returns an API as part of a name.
func (api *API) owner() string {
	if api.Kind == KindRoute {
		return routePrefix + api.Name
	}
	return api.Name + "/" + api.Version
}

// checkHashKeys finds Upstreams of one route that choose endpoints by different things: Envoy takes one of these for each route.
func (a *assembler) checkHashKeys(api *API, r *Route, field string) {
	key := r.HashKey()
	for _, t := range r.Targets {
		if by := t.Upstream.Balancing.By; by != nil && *by != *key {
			a.apiFault(api, CodeHashKey, field, "its upstreams balance by %s and by %s, and a route can only have one of these: make them the same", key, by)
			return
		}
	}
}
