package gateway_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

func policyDocs(policies ...*gateway.Policy) *gateway.Documents {
	return &gateway.Documents{Policies: policies, Broken: map[gateway.Ref]bool{{Kind: gateway.KindPolicy, Name: "broken"}: true}}
}

// TestImports holds what a Policy imports, and that what did not change stays the same value.
func TestImports(t *testing.T) {
	c := &gateway.Policy{Name: "c", Source: "package c", With: map[string]any{"x": 1}}
	b := &gateway.Policy{Name: "b", Source: "package b", Imports: []string{"c", "a"}} // A ring is no harm: modules know no order.
	a := &gateway.Policy{Name: "a", Source: "package a", Imports: []string{"b"}}
	docs := policyDocs(a, b, c)
	first, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	whole := first.Policies[0]
	if len(whole.Imported) != 2 || whole.Imported[0].Source != "package b" || whole.Imported[1].Source != "package c" || whole.Imported[1].With != nil {
		t.Errorf("a imports %+v", whole.Imported)
	}
	if first.Policies[2] != c || a.Imported != nil {
		t.Error("documents were changed, or one without imports was copied")
	}
	again, _ := gateway.AssembleAfter(docs, first, nil)
	if again.Policies[0] != whole {
		t.Error("what did not change became another value")
	}
	changed := *c
	changed.Source = "package c\nx := 1"
	third, _ := gateway.AssembleAfter(policyDocs(a, b, &changed), again, nil)
	if got := third.Policies[0].Imported[1].Source; got != changed.Source || gateway.ContentHash(third.Policies[0]) == gateway.ContentHash(whole) {
		t.Errorf("a change of what is imported is not seen: %q", got)
	}
}

func TestImportsThatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		policy *gateway.Policy
		want   string
	}{
		"nobody":     {&gateway.Policy{Name: "a", Imports: []string{"x"}}, `GH201`},
		"itself":     {&gateway.Policy{Name: "a", Imports: []string{"a"}}, "imports itself"},
		"not shared": {&gateway.Policy{Name: "a", Team: "loans", Imports: []string{"theirs"}}, "does not share it"},
		"platform":   {&gateway.Policy{Name: "a", Imports: []string{"theirs"}}, "does not share it"},
		"shared":     {&gateway.Policy{Name: "a", Team: "loans", Imports: []string{"shared"}}, ""},
		"own":        {&gateway.Policy{Name: "a", Team: "cards", Imports: []string{"theirs"}}, ""},
		"broken":     {&gateway.Policy{Name: "a", Imports: []string{"broken"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := gateway.Assemble(policyDocs(test.policy,
				&gateway.Policy{Name: "theirs", Team: "cards"}, &gateway.Policy{Name: "shared", Team: "cards", Shared: true}), nil)
			switch {
			case test.want == "" && len(faults) > 0:
				t.Error(faults)
			case test.want != "" && (len(faults) != 1 || !strings.Contains(faults.Error(), test.want)):
				t.Errorf("got %v, want one fault that says %s", faults, test.want)
			}
		})
	}
}

// TestFaultOfAnImportedPolicyIsShared holds that a faulty Policy that another imports is not laid at one API's door.
func TestFaultOfAnImportedPolicyIsShared(t *testing.T) {
	api := &gateway.API{Kind: gateway.KindAPI, Name: "x", Version: "v1", Authorize: []gateway.Authorization{{Policy: "b"}}}
	docs := policyDocs(&gateway.Policy{Name: "a", Imports: []string{"b"}}, &gateway.Policy{Name: "b"})
	docs.APIs = []*gateway.API{api}
	fault := gateway.Fault{Code: gateway.CodeRego, Object: gateway.Ref{Kind: gateway.KindPolicy, Name: "b"}}
	if _, shared, _ := gateway.Quarantine(docs, nil, gateway.Faults{fault}); len(shared) != 1 {
		t.Errorf("got shared faults %v, want one", shared)
	}
	docs.Policies[0].Imports = nil
	if _, shared, _ := gateway.Quarantine(docs, nil, gateway.Faults{fault}); len(shared) != 0 {
		t.Errorf("got shared faults %v, want none", shared)
	}
}

// TestBodiesOfImports holds that a body that only an imported module reads is asked for, and as bytes where it is a message.
func TestBodiesOfImports(t *testing.T) {
	reading := &gateway.Policy{Name: "b", Source: "package b\nx := input.parsed_body"}
	route := &gateway.Route{Authorize: []gateway.AppliedPolicy{{Policy: &gateway.Policy{Name: "a", Source: "package a", Imported: []*gateway.Policy{reading}}}}}
	if !route.ReadsBody() || route.ReadsMessages() {
		t.Errorf("reads a body: %v, messages: %v; want true, false", route.ReadsBody(), route.ReadsMessages())
	}
	route.Authorize[0].Policy.Descriptors = []byte{1}
	if !route.ReadsMessages() {
		t.Error("messages are not read by descriptors")
	}
}
