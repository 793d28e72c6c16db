package gateway_test

import (
	"slices"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestReferencesAcrossTeams has an API of team payments refer to what team treasury has, at each place where a name can stand.
func TestReferencesAcrossTeams(t *testing.T) {
	for _, test := range []struct {
		name, field string
		change      func(docs *gateway.Documents)
	}{
		{"upstream", "to[0].upstream", func(d *gateway.Documents) { d.Upstreams[0].Team = "treasury" }},
		{"issuer", "authenticate.any[0].jwt", func(d *gateway.Documents) { d.Issuers[0].Team = "treasury" }},
		{"policy", "authorize[0].policy", func(d *gateway.Documents) { d.Policies[0].Team = "treasury" }},
		{"upstream of an operation", "operations[0].to[0].upstream", func(d *gateway.Documents) {
			d.Upstreams[1].Team = "treasury"
			d.APIs[0].Operations[0].To = []gateway.Destination{{Upstream: "website", Weight: 1}}
		}},
		{"upstream of weight 0", "operations[0].to[1].upstream", func(d *gateway.Documents) {
			d.Upstreams[1].Team = "treasury"
			d.APIs[0].Operations[0].To = []gateway.Destination{{Upstream: "payments", Weight: 1}, {Upstream: "website"}}
		}},
		{"issuer of an operation", "operations[1].authenticate.any[0].jwt", func(d *gateway.Documents) {
			d.Issuers = append(d.Issuers, &gateway.Issuer{Name: "inside", Issuer: "https://inside.test", Team: "treasury"})
			d.APIs[0].Operations[1].Authenticate = &gateway.Authenticate{Any: []gateway.Proof{{JWT: "inside"}}}
		}},
		{"policy of an operation", "operations[1].authorize[0].policy", func(d *gateway.Documents) {
			d.Policies = append(d.Policies, &gateway.Policy{Name: "inside", Source: "package a", Team: "treasury"})
			d.APIs[0].Operations[1].Authorize = &[]gateway.Authorization{{Policy: "inside"}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			docs := bank(t)
			test.change(docs)
			_, faults := gateway.Assemble(docs, nil)
			if want := string(gateway.CodeNotShared) + " " + test.field; len(faults) == 0 || !slices.Contains(codes(faults), want) {
				t.Fatalf("faults %v, want %s", faults, want)
			}
			if f := faults[0]; f.Team != "payments" || f.Object != docs.APIs[0].Ref() {
				t.Errorf("the fault is of %s, %s", f.Team, f.Object)
			}
			for _, u := range docs.Upstreams {
				u.Shared = true
			}
			for _, i := range docs.Issuers {
				i.Shared = true
			}
			for _, p := range docs.Policies {
				p.Shared = true
			}
			if _, faults := gateway.Assemble(docs, nil); len(faults) > 0 {
				t.Errorf("shared, and yet: %v", faults)
			}
		})
	}
}

// TestSharingIsSeenAtOnce takes shared away from an Upstream while the API stays the same value in memory.
func TestSharingIsSeenAtOnce(t *testing.T) {
	docs := bank(t)
	docs.Upstreams[0].Team, docs.Upstreams[0].Shared = "treasury", true
	prev, faults := gateway.AssembleAfter(docs, nil, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	changed := *docs.Upstreams[0]
	changed.Shared = false
	docs.Upstreams[0] = &changed
	if _, faults := gateway.AssembleAfter(docs, prev, nil); len(faults) == 0 {
		t.Error("the API still uses what is not shared any more")
	}
}

// TestClaim binds documents to a team: what names none gets it, and what is the platform's or another's is refused.
func TestClaim(t *testing.T) {
	docs := bank(t)
	docs.Certificates = []*gateway.Certificate{{Name: "bank"}}
	docs.Policies = append(docs.Policies, &gateway.Policy{Name: "guard", Locked: true})
	docs.Upstreams[1].Team = "treasury"
	docs.APIs[1].Team = "treasury"
	faults := gateway.Claim(docs, "payments")
	var got []string
	for _, f := range faults {
		got = append(got, string(f.Code)+" "+f.Object.String())
		if f.Team != "payments" {
			t.Errorf("%v is of team %q", f, f.Team)
		}
	}
	slices.Sort(got)
	if want := []string{
		"GH216 Route website", "GH216 Upstream website", "GH217 Certificate bank", "GH217 Gateway edge", "GH217 Issuer nordhaven", "GH217 Policy guard",
	}; !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
	if docs.Upstreams[0].Team != "payments" || docs.Policies[0].Team != "payments" || docs.APIs[0].Team != "payments" || docs.Upstreams[1].Team != "treasury" {
		t.Error("the team was not given to what names none, or to what names another")
	}
	if faults := gateway.Claim(bank(t), ""); len(faults) > 0 {
		t.Errorf("the platform is refused: %v", faults)
	}
}

// TestCheckChanges has a team propose changes of its own, of another team, of the platform, and of what it would take over.
func TestCheckChanges(t *testing.T) {
	before := bank(t)
	before.Upstreams[0].Team, before.Upstreams[1].Team = "payments", "treasury"
	before.Policies = append(before.Policies, &gateway.Policy{Name: "guard", Locked: true})
	after := bank(t)
	after.Upstreams[0].Team, after.Upstreams[1].Team = "payments", "payments"
	after.Upstreams = append(after.Upstreams, &gateway.Upstream{Name: "cards", Team: "payments"})
	ref := func(kind gateway.Kind, name string) gateway.Ref { return gateway.Ref{Kind: kind, Name: name} }
	for _, test := range []struct {
		change gateway.ChangeKind
		object gateway.Ref
		want   gateway.Code
	}{
		{gateway.Changed, ref(gateway.KindUpstream, "payments"), ""},
		{gateway.Added, ref(gateway.KindUpstream, "cards"), ""},
		{gateway.Changed, ref(gateway.KindUpstream, "website"), gateway.CodeForeignTeam}, // Renaming the team takes it over.
		{gateway.Changed, ref(gateway.KindRoute, "website"), gateway.CodeForeignTeam},
		{gateway.Changed, ref(gateway.KindGateway, "edge"), gateway.CodePlatform},
		{gateway.Deleted, ref(gateway.KindIssuer, "nordhaven"), gateway.CodePlatform},
		{gateway.Deleted, ref(gateway.KindPolicy, "guard"), gateway.CodePlatform},
		{gateway.Changed, ref(gateway.KindPolicy, "bank.payments"), gateway.CodeForeignTeam},
	} {
		changes := []gateway.Change{{Kind: test.change, Object: test.object}}
		faults := gateway.CheckChanges(changes, before, after, "payments")
		if len(faults) > 1 || (test.want == "") != (len(faults) == 0) || len(faults) == 1 && faults[0].Code != test.want {
			t.Errorf("%s %s: faults %v, want %q", test.change, test.object, faults, test.want)
		}
		if faults := gateway.CheckChanges(changes, before, after, ""); len(faults) > 0 {
			t.Errorf("%s %s by the platform: faults %v", test.change, test.object, faults)
		}
	}
}
