package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Grant lets a team expose its APIs and Routes on some hosts and bases of a Gateway.
type Grant struct {
	Team  string
	Hosts []string // Exact names, "*.suffix" or "*".
	Bases []string `json:",omitempty"` // Path prefixes at a segment border, as in Exposure; none: every base.
}

// Grants reports whether a team may expose something on every host of a pattern below a base. Host and base must stand in
// one Grant. A Gateway without grants, and the platform (no team), are free.
func (g *Gateway) Grants(team, host, base string) bool {
	if team == "" || len(g.Allow) == 0 {
		return true
	}
	return slices.ContainsFunc(g.Allow, func(a Grant) bool {
		return a.Team == team &&
			slices.ContainsFunc(a.Hosts, func(granted string) bool { return HostCovers(granted, host) }) &&
			(len(a.Bases) == 0 || slices.ContainsFunc(a.Bases, func(granted string) bool { return BaseCovers(granted, base) }))
	})
}

// BaseCovers reports whether a base is another one or lies below it. It ends at the border of a segment: "/pay" does not
// cover "/payments". Bases are compared as they are spelt, so that one spelt otherwise is not covered.
func BaseCovers(wide, base string) bool {
	return wide == "" || base == wide || strings.HasPrefix(base, wide+"/")
}

// exposedHosts returns the hosts that an exposure asks for: as written, or every host of the Gateway.
func (g *Gateway) exposedHosts(e Exposure) []string {
	if len(e.Hosts) > 0 {
		return e.Hosts
	}
	if e.Listener != "" { // Every name, or none at all.
		return []string{AnyHost}
	}
	var all []string
	for _, l := range g.Listeners {
		all = append(all, l.Hosts...)
	}
	slices.SortFunc(all, CompareHosts)
	return slices.Compact(all)
}

// refused returns the first host of an exposure that its Gateway does not grant to the API's team, at its place in exposedHosts. To
// what a team handed in itself, a Gateway without grants grants nothing: it could take the requests of every other API.
func (g *Gateway) refused(api *API, e Exposure) (host string, at int, found bool) {
	for i, h := range g.exposedHosts(e) {
		if api.Claimed && len(g.Allow) == 0 || !g.Grants(api.Team, h, e.Base) {
			return h, i, true
		}
	}
	return "", 0, false
}

// granted reports whether an API may be where it wants to be exposed. What is not granted becomes no route at all: it must
// neither answer for, nor clash with, what belongs to another team.
func (a *assembler) granted(api *API, g *Gateway, e Exposure, place string) bool {
	host, at, refused := g.refused(api, e)
	if !refused {
		return true
	}
	field := fmt.Sprintf("%s.hosts[%d]", place, at)
	if len(e.Hosts) == 0 {
		field = place
	}
	base := e.Base
	if base == "" {
		base = "/"
	}
	a.apiFault(api, CodeNotGranted, field,
		"Gateway %s does not grant the host %q with the base %s to team %s: have its allow say so, or expose %s where the team may",
		g.Name, host, base, api.Team, api.Ref())
	return false
}

// checkAllow finds grants of hosts that no listener of the Gateway serves.
func (a *assembler) checkAllow(gateways []*Gateway) {
	for _, g := range gateways {
		for i, grant := range g.Allow {
			for k, h := range grant.Hosts {
				if !slices.ContainsFunc(g.Listeners, func(l Listener) bool { return len(l.ServedHosts(h))+len(l.AdmittedNames(h)) > 0 }) && h != AnyHost {
					a.fault(CodeHostNotServed, Ref{Kind: KindGateway, Name: g.Name}, g.Origin, fmt.Sprintf("allow[%d].hosts[%d]", i, k),
						"allow grants the host %q to team %s, and no listener of Gateway %s serves it: add it to a listener's hosts, or correct it",
						h, grant.Team, g.Name)
				}
			}
		}
	}
}
