package gateway_test

import (
	"slices"
	"testing"
)

// TestOrderOfHostsIsNoRule exposes an API at the same hosts in another order.
func TestOrderOfHostsIsNoRule(t *testing.T) {
	t.Parallel()
	hashes := func(reverse bool) []string {
		docs := bank(t)
		for _, api := range docs.APIs {
			for i := range api.Expose {
				hosts := []string{"one.bank.test", "two.bank.test"}
				if reverse {
					slices.Reverse(hosts)
				}
				api.Expose[i].Hosts = hosts
			}
		}
		for _, g := range docs.Gateways {
			for i := range g.Listeners {
				g.Listeners[i].Hosts = []string{"*"}
			}
		}
		var out []string
		for _, r := range assemble(t, docs).Routes {
			out = append(out, r.Name+" "+r.Rules)
		}
		return slices.Sorted(slices.Values(out))
	}
	if one, other := hashes(false), hashes(true); len(one) == 0 || !slices.Equal(one, other) {
		t.Errorf("the rules are\n%v\nand\n%v", one, other)
	}
}
