package gateway_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestOneCall holds that a route makes one call at most, and how it fails while that is not answered.
func TestOneCall(t *testing.T) {
	t.Parallel()
	limits := []gateway.Limit{{Name: "each", Windows: []gateway.Window{{Limit: 1}}}}
	policies := []gateway.AppliedPolicy{{Policy: &gateway.Policy{Name: "owners"}}}
	for name, test := range map[string]struct {
		limits                  []gateway.Limit
		policies                []gateway.AppliedPolicy
		away                    gateway.WhenAway
		checks, spends, limited bool
		want                    gateway.FailureMode
	}{
		"nothing":                        {want: gateway.Closed},
		"limits alone":                   {limits: limits, limited: true, want: gateway.Closed},
		"a policy alone":                 {policies: policies, checks: true, want: gateway.Closed},
		"an open policy alone":           {policies: policies, away: gateway.WhenAway{Authorization: gateway.Open, Limits: gateway.Closed}, checks: true, want: gateway.Open},
		"both":                           {limits: limits, policies: policies, checks: true, spends: true, want: gateway.Closed},
		"both open":                      {limits: limits, policies: policies, away: gateway.WhenAway{Authorization: gateway.Open}, checks: true, spends: true, want: gateway.Open},
		"an open policy, limits closed":  {limits: limits, policies: policies, away: gateway.WhenAway{Authorization: gateway.Open, Limits: gateway.Closed}, checks: true, spends: true, want: gateway.Closed},
		"a closed policy, limits opened": {limits: limits, policies: policies, away: gateway.WhenAway{Limits: gateway.Open}, checks: true, spends: true, want: gateway.Closed},
	} {
		r := gateway.Route{Action: gateway.ActionForward, Limits: test.limits, Authorize: test.policies, WhenAway: test.away, Public: true}
		if r.CallsAuthorization() != test.checks || r.CheckSpends() != test.spends || r.CallsLimits() != test.limited {
			t.Errorf("%s: checks %v, spends %v, limited %v", name, r.CallsAuthorization(), r.CheckSpends(), r.CallsLimits())
		}
		if got := r.CheckAway(); got != test.want {
			t.Errorf("%s: %s while nobody answers, want %s", name, got, test.want)
		}
		if len(r.Hops()) > 1 {
			t.Errorf("%s: %v", name, r.Hops())
		}
	}
}
