package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// limited returns the bank with these limits on its API, and on the website.
func limited(t *testing.T, limits ...gateway.Limit) *gateway.Documents {
	t.Helper()
	docs := bank(t)
	for i := range limits {
		if limits[i].Windows == nil {
			limits[i].Windows = []gateway.Window{{Limit: 1, Per: time.Second}}
		}
	}
	docs.APIs[0].Limits, docs.APIs[1].Limits = limits, nil
	return docs
}

// TestLimitsThatNobodyCouldCount finds keys, conditions and costs that requests do not have.
func TestLimitsThatNobodyCouldCount(t *testing.T) {
	t.Parallel()
	public, key := &gateway.Authenticate{None: true}, &gateway.Authenticate{Any: []gateway.Proof{{Key: &gateway.KeyPlace{Header: "x-api-key"}}}}
	for name, c := range map[string]struct {
		limit gateway.Limit
		auth  *gateway.Authenticate // nil: a token.
		code  gateway.Code
	}{
		"plan of tokens":           {gateway.Limit{Key: []string{"plan"}}, nil, gateway.CodeLimitKey},
		"plan of keys":             {gateway.Limit{Key: []string{"plan"}}, key, ""},
		"consumer of nobody":       {gateway.Limit{Key: []string{"consumer"}}, public, gateway.CodeLimitKey},
		"application of nobody":    {gateway.Limit{Key: []string{"application"}}, public, gateway.CodeLimitKey},
		"no such parameter":        {gateway.Limit{Key: []string{"path.account"}}, nil, gateway.CodeLimitKey},
		"claims of nobody":         {gateway.Limit{When: &gateway.LimitWhen{Claims: []gateway.ClaimTest{{Name: "a", Values: []string{"b"}}}}}, public, gateway.CodeLimitKey},
		"plans of tokens":          {gateway.Limit{When: &gateway.LimitWhen{Plans: []string{"gold"}}}, nil, gateway.CodeLimitKey},
		"cost of a claim":          {gateway.Limit{Cost: gateway.Cost{From: "token.units"}}, public, gateway.CodeCost},
		"cost in a changed header": {gateway.Limit{Cost: gateway.Cost{From: "response.header.x-units"}}, nil, gateway.CodeCost},
		"cost in another header":   {gateway.Limit{Cost: gateway.Cost{From: "response.header.x-cost"}}, nil, ""},
	} {
		docs := limited(t, c.limit)
		docs.Gateways[0].Headers.Response.Remove = []string{"x-units"}
		if c.auth != nil {
			docs.APIs[0].Authenticate = c.auth
		}
		_, faults := gateway.Assemble(docs, nil)
		if c.code == "" && len(faults) > 0 || c.code != "" && (len(faults) == 0 || faults[0].Code != c.code) {
			t.Errorf("%s: faults are %v, want %q", name, faults, c.code)
		}
	}
}

// TestSharedLimit resolves the name of a Limit document: all that name it have one scope, and a change of it changes their rules.
func TestSharedLimit(t *testing.T) {
	t.Parallel()
	build := func(most int64, team string, shared bool) (*gateway.Revision, gateway.Faults) {
		docs := limited(t, gateway.Limit{Name: "all", Of: "all", Mode: gateway.Shadow})
		docs.APIs[1].Limits = []gateway.Limit{{Name: "all", Of: "all"}}
		docs.Limits = []*gateway.SharedLimit{{
			Limit: gateway.Limit{Name: "all", Windows: []gateway.Window{{Limit: most, Per: time.Second}}}, Team: team, Shared: shared,
		}}
		return gateway.Assemble(docs, nil)
	}
	rev, faults := build(5, "", false)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, r := range rev.Routes {
		if r.Action != gateway.ActionForward {
			continue
		}
		want := gateway.Enforce
		if r.API == "payments" {
			want = gateway.Shadow
		}
		if l := r.Limits[0]; l.Scope != "limit/all" || l.Of != "" || l.Windows[0].Limit != 5 || l.Mode != want {
			t.Errorf("%s has %+v", r.Name, l)
		}
	}
	other, _ := build(6, "", false)
	if rev.Routes[0].Rules == other.Routes[0].Rules {
		t.Error("another number leaves the rules as they were")
	}
	if _, faults := build(5, "cards", false); len(faults) == 0 || faults[0].Code != gateway.CodeNotShared {
		t.Errorf("a Limit of another team: %v", faults)
	}
	if _, faults := build(5, "cards", true); len(faults) > 0 {
		t.Errorf("a shared Limit: %v", faults)
	}
	docs := limited(t, gateway.Limit{Of: "none"})
	if _, faults := gateway.Assemble(docs, nil); len(faults) == 0 || faults[0].Code != gateway.CodeDangling {
		t.Errorf("a Limit that there is not: %v", faults)
	}
}

// TestLimitsThatEnvoyCannotTell makes a Check spend what Envoy cannot tell, and says why.
func TestLimitsThatEnvoyCannotTell(t *testing.T) {
	t.Parallel()
	token := gateway.Way{{Kind: gateway.ByJWT}}
	guest := gateway.Way{{Kind: gateway.ByNobody, Name: "guest"}}
	for name, c := range map[string]struct {
		limit gateway.Limit
		ways  []gateway.Way
		why   string
		away  gateway.FailureMode
	}{
		"consumer of tokens":  {gateway.Limit{Key: []string{"consumer"}}, []gateway.Way{token}, "", gateway.Open},
		"consumer of others":  {gateway.Limit{Key: []string{"consumer"}}, []gateway.Way{token, guest}, "limit l, whose consumer", gateway.Open},
		"plan":                {gateway.Limit{When: &gateway.LimitWhen{Plans: []string{"gold"}}}, []gateway.Way{token}, "limit l, whose plan", gateway.Open},
		"what is refused too": {gateway.Limit{SpendRefused: true, StoreAway: gateway.StoreClosed}, []gateway.Way{token}, "limit l, which counts what policies refuse too", gateway.Closed},
		"closed in shadow":    {gateway.Limit{Mode: gateway.Shadow, StoreAway: gateway.StoreClosed}, []gateway.Way{token}, "", gateway.Open},
		"shared out":          {gateway.Limit{Enforce: gateway.Distributed}, []gateway.Way{token}, "", gateway.Open},
	} {
		c.limit.Name = "l"
		policy := gateway.AppliedPolicy{Policy: &gateway.Policy{Name: "p"}, Native: &gateway.Predicate{}}
		r := &gateway.Route{Action: gateway.ActionForward, Ways: c.ways, Limits: []gateway.Limit{c.limit}, Authorize: []gateway.AppliedPolicy{policy}}
		hops := r.Hops()
		switch {
		case c.limit.Enforce == gateway.Distributed:
			if len(hops) != 0 {
				t.Errorf("%s: %v", name, hops)
			}
		case len(hops) != 1 || c.why == "" && hops[0].Service != "limits" || c.why != "" && (hops[0].Service != "authorization" || !strings.HasPrefix(hops[0].Why, c.why)):
			t.Errorf("%s: %v, want one because of %q", name, hops, c.why)
		}
		if r.LimitsAway() != c.away {
			t.Errorf("%s: while away %s, want %s", name, r.LimitsAway(), c.away)
		}
	}
}
