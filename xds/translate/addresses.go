package translate

import (
	"net/netip"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// addressRules refuse whoever comes from a denied address, or from none that is allowed.
func addressRules(a *gateway.AddressLists) *rbacv3.RBACPerRoute {
	from := func(list []netip.Prefix) *rbacconfigv3.Principal {
		var any []*rbacconfigv3.Principal
		for _, p := range list {
			any = append(any, comesFrom(p))
		}
		return anyOf(any)
	}
	var refused []*rbacconfigv3.Principal
	if len(a.Deny) > 0 {
		refused = append(refused, from(a.Deny))
	}
	if len(a.Allow) > 0 {
		refused = append(refused, not(from(a.Allow)))
	}
	return &rbacv3.RBACPerRoute{Rbac: &rbacv3.RBAC{Rules: &rbacconfigv3.RBAC{
		Action: rbacconfigv3.RBAC_DENY,
		Policies: map[string]*rbacconfigv3.Policy{envoy.RefusedAddress: {
			Permissions: []*rbacconfigv3.Permission{{Rule: &rbacconfigv3.Permission_Any{Any: true}}}, Principals: refused,
		}},
	}}}
}

// addressRefused holds for the answer to whom addressRules refuse.
func addressRefused() string {
	return "response.code_details == '" + guardDenied + "_matched_policy[" + envoy.RefusedAddress + "]'"
}
