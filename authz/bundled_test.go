package authz_test

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/gateway"
)

// bundleOf is a bundle with one module and the roles of somebody.
func bundleOf(t *testing.T, rego, role string) *bundle.Bundle {
	t.Helper()
	module, err := ast.ParseModuleWithOpts("bundle.rego", rego, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	return &bundle.Bundle{Name: "bank", Modules: map[string]*ast.Module{"bundle.rego": module}, Data: map[string]any{"roles": map[string]any{"alice": role}}}
}

// TestBundles decides by policies that see a bundle: none before it came, at once by each that comes, and by the one before
// where a new one is broken. The rules stay what they are.
func TestBundles(t *testing.T) {
	t.Parallel()
	own := publicRoute("own", "package bank.own\n\nimport data.bank.lib\n\nallow if lib.teller(data.owner)\n")
	own.Authorize[0].Policy.Bundle, own.Authorize[0].Policy.Data = "bank", map[string]any{"owner": "alice"}
	other := publicRoute("other", "")
	other.Authorize[0].Policy.Bundle, other.Authorize[0].Policy.Entry = "bank", "bank/lib/allow"
	service := newService(patient)
	table := compiled(t, revision(own, other), nil)
	service.Use(table)
	expect := func(want string) {
		t.Helper()
		for _, rules := range []string{"own", "other"} {
			response, err := service.Check(t.Context(), checkOf(rules))
			if err != nil {
				t.Fatal(err)
			}
			if got := response.GetDeniedResponse().GetStatus().GetCode().String(); got != want {
				t.Errorf("%s: %s, want %s", rules, got, want)
			}
		}
	}
	expect("ServiceUnavailable")
	const lib = "package bank.lib\n\nteller(who) if data.roles[who] == \"teller\"\n\ndefault allow := false\n\nallow if teller(\"alice\")\n"
	for _, step := range []struct{ rego, role, fails, want string }{
		{lib, "teller", "", "Empty"},
		{lib, "customer", "", "Forbidden"},
		{lib, "teller", "", "Empty"},
		{"package bank.lib\n\nallow := true\n", "customer", "policy ", "Empty"}, // One of both policies does not compile: none changes.
		{"package bank.other\n\nteller(_) := true\n", "customer", "policy ", "Empty"},
		{lib, "customer", "", "Forbidden"},
	} {
		err := service.UseBundle(bundleOf(t, step.rego, step.role))
		if step.fails == "" && err != nil || step.fails != "" && (err == nil || !strings.Contains(err.Error(), step.fails)) {
			t.Errorf("error %v, want %q in it", err, step.fails)
		}
		expect(step.want)
	}
	// A later table has the bundle that is in use, and takes over what waits for the next.
	service.Use(compiled(t, revision(own, other, publicRoute("more", "package a\nallow := true")), table))
	expect("Forbidden")
	fresh := compiled(t, revision(own, other), nil)
	service.Use(fresh)
	expect("Forbidden")
	if err := service.UseBundle(bundleOf(t, lib, "teller")); err != nil {
		t.Fatal(err)
	}
	expect("Empty")
	if _, told := fresh.Inspect(own.Authorize[0].Policy); told {
		t.Error("a policy that sees a bundle is told of without one")
	}
	wrong := publicRoute("wrong", "package bank.own\nallow if")
	wrong.Authorize[0].Policy.Bundle = "bank"
	if _, faults := authz.Compile(revision(wrong), nil); len(faults) == 0 || faults[0].Code != gateway.CodeRego {
		t.Errorf("Rego that is none is no fault: %v", faults)
	}
}
