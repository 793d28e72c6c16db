package gateway_test

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestLimitsAreTold holds what is said of each kind of limit: what it counts, where it is spent, and what happens without a store.
func TestLimitsAreTold(t *testing.T) {
	t.Parallel()
	const call = "by a call for the limits"
	const open, on = "without its store requests go on, and are counted as let through", "; without Gatehouse they go on"
	for name, c := range map[string]struct {
		limit               gateway.Limit
		away                gateway.FailureMode
		counts, spent, told string
	}{
		"all": {gateway.Limit{}, gateway.Open, "all requests together", call, open + on},
		"keys": {
			gateway.Limit{Key: []string{"token.sub", "client.address"}, StoreAway: gateway.StoreLocal, Lease: 5},
			gateway.Open,
			"for each token.sub and client.address", call + "; a replica borrows up to 5 at a time", "without its store each replica counts its part by itself" + on,
		},
		"costs and conditions": {
			gateway.Limit{Cost: gateway.Cost{From: gateway.CostResponse}, When: &gateway.LimitWhen{Headers: []gateway.HeaderTest{{Name: "x-tier"}}, Claims: []gateway.ClaimTest{{Name: "plan", Values: []string{"gold", "silver"}}}}},
			gateway.Open,
			"all requests together, where the header x-tier is there and the claim plan is gold or silver; a request costs what response.size says", call + ", and when the stream ends", open + on,
		},
		"closed": {
			gateway.Limit{StoreAway: gateway.StoreClosed, Ceiling: true, Cost: gateway.Cost{Number: 3}},
			gateway.Open,
			"all requests together; a request costs 3", call + "; each Envoy has a ceiling in front", "without its store requests get 503; without Gatehouse they get 503",
		},
		"shadow": {
			gateway.Limit{StoreAway: gateway.StoreClosed, Mode: gateway.Shadow},
			gateway.Open,
			"all requests together", call + "; in shadow mode: it refuses nothing", open + on,
		},
		"distributed": {
			gateway.Limit{Enforce: gateway.Distributed},
			gateway.Open,
			"all requests together", "in each Envoy, from its share: no call", "after 20 seconds without Gatehouse each Envoy holds to the whole limit by itself",
		},
		"distributed and closed": {
			gateway.Limit{Enforce: gateway.Distributed},
			gateway.Closed,
			"all requests together", "in each Envoy, from its share: no call", "after 20 seconds without Gatehouse everything is refused",
		},
	} {
		c.limit.Name, c.limit.Scope, c.limit.Windows = "each", "pay/v1", []gateway.Window{{Limit: 60, Per: time.Minute}}
		r := gateway.Route{Action: gateway.ActionForward, Limits: []gateway.Limit{c.limit}, WhenAway: gateway.WhenAway{Limits: c.away}}
		told := r.ToldLimits()
		if len(told) != 1 || told[0].Limit != "pay/v1/each" || told[0].Windows[0] != "60 per 1m" {
			t.Fatalf("%s: %+v", name, told)
		}
		if told[0].Counts != c.counts || told[0].Spent != c.spent || told[0].Away != c.told {
			t.Errorf("%s: got\n%s\n%s\n%s", name, told[0].Counts, told[0].Spent, told[0].Away)
		}
	}
	if told := (&gateway.Route{Action: gateway.ActionRefuse, Limits: []gateway.Limit{{Name: "each"}}}).ToldLimits(); told != nil {
		t.Errorf("of a route that forwards nothing: %+v", told)
	}
}
