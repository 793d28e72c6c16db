package translate

import (
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// upgrades returns what a route's connections may turn into. The request that asks for it passes the same filters as any other;
// what follows on the connection passes none, so that it is off where a route does not name it. Listeners name nothing.
func upgrades(r *gateway.Route) []*routev3.RouteAction_UpgradeConfig {
	var out []*routev3.RouteAction_UpgradeConfig
	for _, protocol := range r.Upgrades {
		out = append(out, &routev3.RouteAction_UpgradeConfig{UpgradeType: protocol, Enabled: wrapperspb.Bool(true)})
	}
	return out
}
