package translate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// checkKeys asserts that every key under which a route of a virtual host configures a filter names a filter of the listeners,
// as Envoy accepts a misspelt one in silence, and that every route tells the guard what to do.
func (b *builder) checkKeys(vh *placedHost) gateway.Faults {
	var faults gateway.Faults
	fault := func(name, message string) {
		faults = append(faults, gateway.Fault{
			Code: gateway.CodeTranslate, Place: vh.origin,
			Message: fmt.Sprintf("route %s of %s %s: this is a defect of Gatehouse, please report it", name, vh.host.Name, message),
		})
	}
	for _, r := range vh.routes {
		for _, key := range slices.Sorted(maps.Keys(r.TypedPerFilterConfig)) {
			if !b.filters[key] {
				fault(r.Name, "configures the filter "+key+", which no listener has")
			}
		}
		if r.TypedPerFilterConfig[envoy.FilterGuard] == nil {
			fault(r.Name, "does not tell the guard what to do")
		}
	}
	return faults
}
