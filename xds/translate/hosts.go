package translate

import (
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// placedHost is a virtual host, the place of a document that speaks of it, and every route by which it may answer. It is
// never changed: translations share it.
type placedHost struct {
	host    *routev3.VirtualHost
	origin  gateway.Place
	routes  []*routev3.Route
	gateway *gateway.Gateway   // What it was made from, and
	from    [][]*gateway.Route // the routes of each pattern that covers the host.
	checked bool               // No fault was found in it.
	awaits  bool               // Some route of it waits for keys.
}

// virtualHosts returns the virtual hosts of a listener: one for each host pattern that a route names there, and one for all
// others, which answers 404. Each is complete in itself: the routes of wider patterns are in it too, after its own. before
// holds those of the translation before, by name: one that would be made from the same routes is taken from there.
func (b *builder) virtualHosts(routeConfiguration string, l *gateway.Listener, known patterns, before map[string]*placedHost) []*placedHost {
	return b.hostsBut(b.notFound, routeConfiguration, l, known, before)
}

// hostsBut is virtualHosts where another route answers for hosts that the listener does not serve.
func (b *builder) hostsBut(stranger *routev3.Route, routeConfiguration string, l *gateway.Listener, known patterns, before map[string]*placedHost) []*placedHost {
	hosts := []string{gateway.AnyHost}
	if stranger != b.notFound {
		hosts = append(hosts, l.Hosts...)
	}
	for pattern := range known {
		hosts = append(hosts, l.ServedHosts(pattern)...)
	}
	slices.SortFunc(hosts, gateway.CompareHosts)
	var out []*placedHost
	for _, host := range slices.Compact(hosts) {
		var from [][]*gateway.Route
		if l.Serves(host) { // Not so for "*", which stands here for every host that the listener does not serve.
			from = known.of(host)
		}
		name := routeConfiguration + "/" + host
		awaits := b.awaits(from)
		if same := before[name]; same != nil && same.checked && !same.awaits && !awaits && same.gateway == b.gateway && slices.EqualFunc(same.from, from, slices.Equal) {
			out = append(out, same)
			continue
		}
		placed := b.virtualHost(name, host, covering(from))
		placed.gateway, placed.from, placed.awaits = b.gateway, from, awaits
		if !l.Serves(host) {
			placed.answer(stranger)
		}
		out = append(out, placed)
	}
	return out
}

// awaits reports whether any of some routes waits for keys.
func (b *builder) awaits(from [][]*gateway.Route) bool {
	return slices.ContainsFunc(from, func(list []*gateway.Route) bool {
		return slices.ContainsFunc(list, func(r *gateway.Route) bool { return r.Awaits(b.observed) })
	})
}

// answer makes one route the whole of a virtual host.
func (p *placedHost) answer(routes ...*routev3.Route) {
	p.routes = routes
	p.host.Routes = routes
}

// virtualHost returns one virtual host, given the routes that can match there.
func (b *builder) virtualHost(name, host string, candidates []*gateway.Route) *placedHost {
	vh := &routev3.VirtualHost{Name: name, Domains: []string{host}}
	placed := &placedHost{host: vh, routes: []*routev3.Route{b.notFound}}
	if len(candidates) == 0 {
		placed.answer(b.notFound)
		return placed
	}
	t := b.newTree(candidates)
	vh.Matcher = t.matcher()
	placed.origin = candidates[0].Origin
	placed.routes = append(placed.routes, t.ranks...)
	return placed
}
