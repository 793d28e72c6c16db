package gateway_test

import (
	"slices"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// guarded returns the bank's documents where the Gateway has policies of its own.
func guarded(t *testing.T) *gateway.Documents {
	t.Helper()
	docs := bank(t)
	docs.Policies = append(docs.Policies,
		&gateway.Policy{Name: "guard", Source: "package guard", With: map[string]any{"level": 1}},
		&gateway.Policy{Name: "seal", Source: "package seal"})
	docs.Gateways[0].Authorize = gateway.PlatformPolicies{
		Before: []gateway.Authorization{{Policy: "guard", With: map[string]any{"level": 2}}}, After: []gateway.Authorization{{Policy: "seal"}},
	}
	return docs
}

func applied(r *gateway.Route) []string {
	var out []string
	for _, p := range r.Authorize {
		out = append(out, p.Policy.Name)
	}
	return out
}

// TestPlatformPoliciesEncloseEveryRoute has APIs try to be without the Gateway's policies: by none of their own, by
// authenticate none, by an operation's empty list, by what they do not list.
func TestPlatformPoliciesEncloseEveryRoute(t *testing.T) {
	docs := guarded(t)
	docs.APIs[0].Operations[1].Authorize = &[]gateway.Authorization{}
	docs.APIs[0].Unlisted = gateway.Forward
	docs.APIs[1].WhenAway = gateway.WhenAway{Authorization: gateway.Open, Limits: gateway.Open}
	want := map[string][]string{
		"payments/v1/getPayment":    {"guard", "bank.payments", "seal"},
		"payments/v1/createPayment": {"guard", "seal"},
		"payments/v1/unlisted":      {"guard", "bank.payments", "seal"},
		"route/website":             {"guard", "seal"},
	}
	rev := assemble(t, docs)
	for _, r := range rev.Routes {
		if !slices.Equal(applied(r), want[r.Name]) {
			t.Errorf("%s: %v, want %v", r.Name, applied(r), want[r.Name])
		}
		if !r.CallsAuthorization() || r.WhenAway.Authorization != gateway.Closed && r.Name == "route/website" {
			t.Errorf("%s passes without the Gateway's policies", r.Name)
		}
		if first := r.Authorize[0]; !first.Platform || first.Parameters["level"] != 2 {
			t.Errorf("%s: the first policy is %+v", r.Name, first)
		}
	}
	if len(rev.Routes) != len(want) {
		t.Errorf("routes %v", names(rev))
	}
}

// TestHopsTellThePlatformsPolicies tells why a route without policies of its own waits for authorization.
func TestHopsTellThePlatformsPolicies(t *testing.T) {
	for _, r := range assemble(t, guarded(t)).Routes {
		want := "policy bank.payments, and the Gateway's policy guard and 1 more; it spends limit per-customer"
		if r.Public && r.Action == gateway.ActionForward {
			want = "the Gateway's policy guard and 1 more"
		}
		if hops := r.Hops(); r.Action == gateway.ActionForward && hops[0].Why != want {
			t.Errorf("%s: %q, want %q", r.Name, hops[0].Why, want)
		}
	}
}

// TestPlatformPoliciesArePartOfTheRules changes each, with everything else the same value in memory.
func TestPlatformPoliciesArePartOfTheRules(t *testing.T) {
	docs := guarded(t)
	prev := assemble(t, docs)
	plain := assemble(t, bank(t))
	changed := *docs.Policies[2]
	changed.Source = "package seal\nallow := false"
	docs.Policies[2] = &changed
	next, faults := gateway.AssembleAfter(docs, prev, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for i, r := range next.Routes {
		if forwards := r.Action == gateway.ActionForward; (r.Rules != prev.Routes[i].Rules) != forwards || (r.Rules != plain.Routes[i].Rules) != forwards {
			t.Errorf("%s: the rules do not follow the Gateway's policies", r.Name)
		}
	}
}

// TestPlatformPoliciesAreThePlatforms names a policy of a team, one that is not there, and a broken one.
func TestPlatformPoliciesAreThePlatforms(t *testing.T) {
	docs := guarded(t)
	docs.Policies[1].Team = "payments"
	docs.Gateways[0].Authorize.After[0].Policy = "sael"
	_, faults := gateway.Assemble(docs, nil)
	if want := []string{"GH201 authorize.after[0].policy", "GH217 authorize.before[0].policy"}; !slices.Equal(codes(faults), want) {
		t.Fatalf("faults %v, want %v", faults, want)
	}
	if _, rest, _ := gateway.Quarantine(docs, nil, faults); len(rest) != 2 {
		t.Errorf("shared faults %v, want both", rest)
	}
}

// TestABrokenPlatformPolicyIsShared breaks a policy that the Gateway and one API apply: no quarantine of that API mends it.
func TestABrokenPlatformPolicyIsShared(t *testing.T) {
	docs := guarded(t)
	docs.APIs[0].Authorize = []gateway.Authorization{{Policy: "guard"}}
	_, rest, done := gateway.Quarantine(docs, assemble(t, docs), fault(gateway.Ref{Kind: gateway.KindPolicy, Name: "guard"}))
	if len(rest) != 1 || len(done) != 0 {
		t.Errorf("shared %v, done %v", rest, done)
	}
}

// TestAHeldAPIGetsThePlatformsPoliciesOfToday quarantines an API while the Gateway's policy changes.
func TestAHeldAPIGetsThePlatformsPoliciesOfToday(t *testing.T) {
	live := assemble(t, guarded(t))
	docs := guarded(t)
	docs.Policies[1].Source = "package guard\nallow := false"
	out, _, _ := gateway.Quarantine(docs, live, fault(docs.APIs[0].Ref()))
	for _, r := range assemble(t, out).Routes {
		if r.Action == gateway.ActionForward && r.Authorize[0].Policy.Source != docs.Policies[1].Source {
			t.Errorf("%s is held with the Gateway's policy of before", r.Name)
		}
	}
}
