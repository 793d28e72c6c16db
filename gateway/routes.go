package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// routes returns the routes of an API: one for each operation at each exposure, and those that refuse what is not listed.
func (a *assembler) routes(api *API) []*Route {
	if len(api.Expose) == 0 {
		a.apiFault(api, CodeNotExposed, "expose", "%s is exposed nowhere: name a gateway under expose", api.Ref())
		return nil
	}
	if api.Kind == KindAPI && (api.Name == "route" || api.Name == "-") {
		a.apiFault(api, CodeBadValue, "name", "an API cannot be named %q, as Route documents use this name: choose another", api.Name)
	}
	var routes []*Route
	operations := a.operations(api)
	for i, e := range api.Expose {
		place := fmt.Sprintf("expose[%d]", i)
		g, ok := lookup(a, api, KindGateway, func(o objects) map[string]*Gateway { return o.gateways }, e.Gateway, place+".gateway")
		if !ok {
			continue
		}
		if !a.granted(api, g, e, place) {
			continue
		}
		a.notePlatform(g)
		hosts := a.hosts(api, g, e, place)
		if len(hosts) == 0 {
			continue
		}
		a.checkCertificates(api, g, operations, place)
		at := func(r Route) *Route {
			r.Gateway, r.Hosts, r.Base = g, hosts, e.Base
			r.Match.Path = r.Match.Path.Join(e.Base)
			a.versioned(api, &r, e, place)
			r.Timeouts = g.Timeouts
			r.Headers = r.Headers.Over(g.Headers)
			r.Pages = pagesOver(api.Pages, g.Pages)
			a.checkCosts(api, &r)
			if api.Timeout > 0 {
				r.Timeouts.Authorization = api.Timeout
			}
			a.enclose(&r, g)
			r.settle()
			r.Rules = a.hash.rules(&r)
			return &r
		}
		for _, r := range operations {
			routes = append(routes, at(r))
		}
	}
	return routes
}

// hosts returns the hosts of an exposure, each served by some listener of the gateway.
func (a *assembler) hosts(api *API, g *Gateway, e Exposure, place string) []string {
	if len(e.Hosts) == 0 {
		return g.exposedHosts(e)
	}
	var hosts []string
	for i, h := range e.Hosts {
		if !slices.ContainsFunc(g.Listeners, func(l Listener) bool { return len(l.ServedHosts(h)) > 0 }) {
			a.apiFault(api, CodeHostNotServed, fmt.Sprintf("%s.hosts[%d]", place, i),
				"no listener of Gateway %s serves the host %q: add it to a listener's hosts, or correct it", g.Name, h)
			continue
		}
		hosts = append(hosts, h)
	}
	slices.SortFunc(hosts, CompareHosts)
	return slices.Compact(hosts)
}

// operations returns the routes of an API as they are before an exposure places them.
func (a *assembler) operations(api *API) []Route {
	if api.Down {
		r := a.route(api, "quarantined", ActionDown, api.Origin.At(""))
		r.Match.Path = Path{Prefix: true}
		return []Route{r}
	}
	routes := make([]Route, 0, len(api.Operations)+2)
	seen := map[string]string{}
	silent := 0
	for i := range api.Operations {
		op := &api.Operations[i]
		if _, twice := seen[op.ID]; twice {
			a.apiFault(api, CodeDuplicateOperation, op.Field, "the operation %q is written twice: give each its own id", op.ID)
			continue
		}
		seen[op.ID] = op.Field
		r, ok := a.forward(api, op)
		if !ok {
			silent++
		}
		routes = append(routes, r)
	}
	if silent > 0 {
		a.apiFault(api, CodeNoAuthenticate, "authenticate",
			"%s does not say who may call it: write authenticate, or authenticate: none for everybody", api.Ref())
	}
	return append(routes, a.unlisted(api, routes)...)
}

// route returns what every route of an API carries.
func (a *assembler) route(api *API, operation string, action Action, place Place) Route {
	r := Route{
		API: api.Name, Version: api.Version, Operation: operation, Action: action,
		Object: api.Ref(), WhenAway: api.WhenAway, Headers: api.Headers, Public: action != ActionForward, Origin: place,
	}
	if api.Kind == KindRoute {
		r.API, r.Operation = ownRoute, api.Name
		r.Name = routePrefix + api.Name
		return r
	}
	r.Name = api.Name + "/" + api.Version + "/" + operation
	return r
}

// The name of a Route document's route begins with routePrefix, and its API is ownRoute. No API has either name.
const (
	routePrefix = "route/"
	ownRoute    = "-"
)

// SplitRouteName returns the API, version and operation of the route of a name (Route.Name). All are empty where the name is
// of no route of a document; the version is where it is of a Route document.
func SplitRouteName(name string) (api, version, operation string) {
	if operation, ok := strings.CutPrefix(name, routePrefix); ok {
		return ownRoute, "", operation
	}
	api, rest, _ := strings.Cut(name, "/")
	version, operation, ok := strings.Cut(rest, "/")
	if !ok {
		return "", "", ""
	}
	return api, version, operation
}

// forward returns the route of an operation. ok is false where nothing says who may call it.
func (a *assembler) forward(api *API, op *Operation) (r Route, ok bool) {
	r = a.route(api, op.ID, ActionForward, api.Origin.At(op.Field))
	r.Match, r.ContractScopes = op.Match, op.Scopes
	r.Headers = op.Headers.Over(api.Headers)
	a.act(api, op, &r)
	auth, field := api.Authenticate, "authenticate"
	if op.Authenticate != nil {
		auth, field = op.Authenticate, op.Field+".authenticate"
	}
	if auth != nil {
		r.Public = auth.None
		r.Ways = a.ways(api, auth, field)
		a.checkWays(api, &r, field)
	}
	authorize, field := api.Authorize, "authorize"
	if op.Authorize != nil {
		authorize, field = *op.Authorize, op.Field+".authorize"
	}
	r.Authorize = a.policies(api, authorize, field)
	r.Require, r.Decisions = slices.Concat(api.Require, op.Require), api.Decisions
	a.checkRequirements(api, &r, op)
	limits, scope, field := api.Limits, strings.TrimSuffix(api.Name+"/"+api.Version, "/"), "limits"
	if op.Limits != nil {
		limits, scope, field = *op.Limits, r.Name, op.Field+".limits"
	}
	if api.Kind == KindRoute {
		scope = r.Name
	}
	r.Limits = a.limits(api, &r, limits, scope, field)
	a.checkAnswers(api, &r, field)
	return r, auth != nil
}

func (a *assembler) targets(api *API, to []Destination, field string) []Target {
	if len(to) == 0 {
		a.apiFault(api, CodeNoTarget, field, "%s forwards to nothing: name an upstream under to", api.Ref())
		return nil
	}
	var targets []Target
	total := 0
	for i, d := range to {
		place := fmt.Sprintf("%s[%d].upstream", field, i)
		u, ok := lookup(a, api, KindUpstream, func(o objects) map[string]*Upstream { return o.upstreams }, d.Upstream, place)
		if ok {
			a.checkShared(api, Ref{Kind: KindUpstream, Name: u.Name}, u.Team, u.Shared, place)
		}
		total += d.Weight
		if ok && d.Weight > 0 {
			targets = append(targets, Target{Upstream: u, Weight: d.Weight})
		}
	}
	if total == 0 {
		a.apiFault(api, CodeWeight, field, "every weight is 0, so that no request could go anywhere: give one upstream a weight above 0")
	}
	return targets
}

func (a *assembler) policies(api *API, authorize []Authorization, field string) []AppliedPolicy {
	var applied []AppliedPolicy
	for i, z := range authorize {
		place := fmt.Sprintf("%s[%d].policy", field, i)
		p, ok := lookup(a, api, KindPolicy, func(o objects) map[string]*Policy { return o.policies }, z.Policy, place)
		if ok {
			a.checkShared(api, Ref{Kind: KindPolicy, Name: p.Name}, p.Team, p.Shared, place)
			applied = append(applied, a.applied(p, z, false))
		}
	}
	return applied
}

// applied returns a policy as a route applies it.
func (a *assembler) applied(p *Policy, z Authorization, platform bool) AppliedPolicy {
	out := AppliedPolicy{Policy: p, Parameters: merged(p.With, z.With), Platform: platform, Mode: z.Mode, Percent: z.Percent}
	switch {
	case z.Percent > 0:
		out.Why = "it counts for a part of the requests"
	case p.Bundle != "":
		out.Why = "it sees the bundle " + p.Bundle + ", which may change at any time"
	case a.reduce != nil:
		reduced := a.reduce(p, out.Parameters)
		out.Native, out.Reason, out.Why = reduced.Native, reduced.Reason, reduced.Why
	}
	return out
}

// merged returns the parameters of a Policy with those by which it is applied over them.
func merged(own, with map[string]any) map[string]any {
	parameters := maps.Clone(own)
	if parameters == nil && with != nil {
		parameters = map[string]any{}
	}
	maps.Copy(parameters, with)
	return parameters
}
