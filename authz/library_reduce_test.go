package authz_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/randrego"
	"github.com/gatehouse/gatehouse/policies"
)

// TestLibraryReduces holds which of the policies that ship Envoy judges by itself, and why not the others.
func TestLibraryReduces(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file string
		with map[string]any
		why  string // Empty: it reduces.
	}{
		{"roles", map[string]any{"any": []any{"teller", "a.b c", "x+y"}}, ""},
		{"roles", map[string]any{"any": []any{"teller"}, "claim": "app.realm.roles"}, ""},
		{"roles", map[string]any{"any": []any{"teller"}, "claim": "a.b.c.d"}, "it ties parts of the request together"},
		{"roles", nil, ""}, // Nobody passes.
		{"scopes", nil, "it uses every"},
		{"owner", map[string]any{"parameter": "customer"}, "may have several values"},
		{"tenant", map[string]any{"header": "x-tenant"}, "it reads input.attributes.request.http"},
		{"hours", map[string]any{"from": "08:00", "until": "18:00"}, "it calls time."},
		{"step_up", map[string]any{"amount": "amount", "above": 1}, "it may read the body"},
		{"maintenance", nil, "it uses else"},
	} {
		text, err := policies.Files.ReadFile("library/" + test.file + ".rego")
		if err != nil {
			t.Fatal(err)
		}
		r := authz.NewReducer().Reduce(&gateway.Policy{Name: "gatehouse." + test.file, Source: string(text)}, test.with)
		if (r.Native != nil) != (test.why == "") || !strings.Contains(r.Why, test.why) {
			t.Errorf("%s with %v: reduced %t, as %q, want %q", test.file, test.with, r.Native != nil, r.Why, test.why)
		}
		if r.Native != nil && r.Reason != "role-missing" {
			t.Errorf("%s: the reason %q", test.file, r.Reason)
		}
	}
}

// TestWhatChangesDoesNotReduce holds that what a policy imports counts, and that nobody reduces what may change by itself.
func TestWhatChangesDoesNotReduce(t *testing.T) {
	t.Parallel()
	reducer := authz.NewReducer()
	const source = "package a\nallow if data.b.good"
	for why, p := range map[string]*gateway.Policy{
		"bundle":        {Source: "package a\nallow if data.x", Bundle: "rules"},
		"other hosts":   {Source: source, Imported: []*gateway.Policy{{Name: "b", Source: "package b\ngood if true", Hosts: []string{"x.bank.test"}}}},
		"files of data": {Source: source, Imported: []*gateway.Policy{{Name: "b", Source: "package b\ngood if true", DataFiles: []gateway.DataFile{{}}}}},
	} {
		if r := reducer.Reduce(p, nil); r.Native != nil || !strings.Contains(r.Why, why) {
			t.Errorf("reduced %t, as %q, want %q", r.Native != nil, r.Why, why)
		}
	}
	for body, never := range map[string]bool{"good if true": false, "good if false": true} {
		p := &gateway.Policy{Source: source, Imported: []*gateway.Policy{{Name: "b", Source: "package b\n" + body}}}
		if r := reducer.Reduce(p, nil); r.Native == nil || r.Native.Never != never {
			t.Errorf("%s: %+v, want never %t", body, r, never)
		}
	}
}

// TestRolesReduceAlike has gatehouse.roles judged by evaluation and by what it reduces to, with roles in all forms.
func TestRolesReduceAlike(t *testing.T) {
	t.Parallel()
	text, err := policies.Files.ReadFile("library/roles.rego")
	if err != nil {
		t.Fatal(err)
	}
	r := publicRoute("r1", string(text))
	r.Public = false
	r.Ways = []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Issuer: "https://id.bank.test"}}}}
	r.Authorize[0].Parameters = map[string]any{"any": []any{"teller", "a.b+c", "senior clerk", "7", ""}, "claim": "realm.roles"}
	reduced := authz.NewReducer().Reduce(r.Authorize[0].Policy, r.Authorize[0].Parameters)
	if reduced.Native == nil {
		t.Fatal(reduced.Why)
	}
	service := newService(patient)
	service.Use(compiled(t, revision(r), nil))
	allowed := 0
	for _, roles := range []any{
		nil, "teller", "tellers", "clerk teller", "teller clerk", "clerk\nteller", "teller\n", "clerk  auditor", "", " ", "a.b+c", "axb+c", "aébc",
		"senior clerk", 7, "7", true,
		[]any{},
		[]any{"teller"},
		[]any{"clerk", "a.b+c"},
		[]any{"senior clerk"},
		[]any{"senior"},
		[]any{7},
		[]any{""},
		[]any{[]any{"teller"}},
		map[string]any{"teller": true},
		map[string]any{"a": "teller"},
	} {
		request := randrego.Request{Method: "GET", Path: "/", Host: "api.bank.test", Claims: map[string]any{
			"iss": "https://id.bank.test", "realm": map[string]any{"roles": roles},
		}}
		answer, err := service.Check(t.Context(), drawnCheck(t, &request))
		if err != nil {
			t.Fatal(err)
		}
		want := answer.GetOkResponse() != nil
		if got := holds(reduced.Native, &request); got != want {
			t.Errorf("roles %#v: evaluated %t, reduced %t by %s", roles, want, got, shown(reduced.Native))
		}
		if want {
			allowed++
		}
	}
	if allowed < 8 {
		t.Errorf("%d of them allowed", allowed)
	}
}
