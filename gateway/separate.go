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

// checkIdentities finds upstreams that would show certificates that do not exist, or that are not theirs: whoever may show a
// certificate can be who it says, so a team shows its own only.
func (a *assembler) checkIdentities(upstreams []*Upstream, known map[string]*Certificate) {
	for _, u := range upstreams {
		if u.TLS == nil || u.TLS.Identity == "" || a.docs.Broken[Ref{Kind: KindCertificate, Name: u.TLS.Identity}] {
			continue
		}
		switch c := known[u.TLS.Identity]; {
		case c == nil:
			a.fault(CodeIdentity, Ref{Kind: KindUpstream, Name: u.Name}, u.Origin, "tls.certificate",
				"there is no Certificate named %q: %s", u.TLS.Identity, remedy(u.TLS.Identity, sortedNames(known)))
		case u.Team != "" && c.Team != u.Team:
			a.fault(CodeIdentity, Ref{Kind: KindUpstream, Name: u.Name}, u.Origin, "tls.certificate",
				"the Certificate %s is not of team %s, whose Upstream would show it: write one of the team's own", c.Name, u.Team)
		}
	}
}
