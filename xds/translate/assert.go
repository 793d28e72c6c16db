package translate

import (
	"fmt"
	"maps"
	"slices"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// checkKeys asserts that every key under which a route configures a filter names a filter of the listeners, as Envoy accepts
// a misspelt one in silence, and that every route tells the guard what to do.
func checkKeys(out *Resources) gateway.Faults {
	known := map[string]bool{}
	for _, f := range httpFilters(gateway.Timeouts{}) {
		known[f.Name] = true
	}
	var faults gateway.Faults
	fault := func(vh, name, message string) {
		faults = append(faults, gateway.Fault{
			Code: gateway.CodeTranslate, Place: out.Origins[vh],
			Message: fmt.Sprintf("route %s of %s %s: this is a defect of Gatehouse, please report it", name, vh, message),
		})
	}
	for _, vh := range out.VirtualHosts {
		for _, r := range Routes(vh) {
			for _, key := range slices.Sorted(maps.Keys(r.TypedPerFilterConfig)) {
				if !known[key] {
					fault(vh.Name, r.Name, "configures the filter "+key+", which no listener has")
				}
			}
			if r.TypedPerFilterConfig[envoy.FilterGuard] == nil {
				fault(vh.Name, r.Name, "does not tell the guard what to do")
			}
		}
	}
	return faults
}

// Routes returns every route of a virtual host in which it can answer, those of its matcher included, each once for each
// place at which it stands.
func Routes(vh *routev3.VirtualHost) []*routev3.Route {
	routes := slices.Clone(vh.Routes)
	var walk func(*xdsmatcherv3.Matcher)
	visit := func(m *xdsmatcherv3.Matcher_OnMatch) {
		if inner := m.GetMatcher(); inner != nil {
			walk(inner)
		}
		list := &routev3.RouteList{}
		if a := m.GetAction(); a != nil && a.TypedConfig.UnmarshalTo(list) == nil {
			routes = append(routes, list.Routes...)
		}
	}
	walk = func(m *xdsmatcherv3.Matcher) {
		trees := m.GetMatcherTree()
		for _, table := range []map[string]*xdsmatcherv3.Matcher_OnMatch{trees.GetExactMatchMap().GetMap(), trees.GetPrefixMatchMap().GetMap()} {
			for _, key := range slices.Sorted(maps.Keys(table)) {
				visit(table[key])
			}
		}
		visit(m.OnNoMatch)
	}
	if vh.Matcher != nil {
		walk(vh.Matcher)
	}
	return routes
}
