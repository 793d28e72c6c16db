package compare

import (
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// Hops returns the routes whose calls to Gatehouse change, by name.
func Hops(before, after *gateway.Revision) []admin.RouteChange {
	type hops struct {
		before, after []gateway.Hop
		policies      []gateway.Judgement
	}
	all := map[string]hops{}
	for _, r := range before.Routes {
		all[r.Name] = hops{before: r.Hops()}
	}
	for _, r := range after.Routes {
		h := all[r.Name]
		h.after, h.policies = r.Hops(), r.Judgements()
		all[r.Name] = h
	}
	var out []admin.RouteChange
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if h := all[name]; !slices.Equal(h.before, h.after) {
			out = append(out, admin.RouteChange{
				Route: name, Before: append([]gateway.Hop{}, h.before...), After: append([]gateway.Hop{}, h.after...), Policies: h.policies,
			})
		}
	}
	return out
}
