package authz_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestInspect looks at policies that allow by default in several ways, and at some that do not.
func TestInspect(t *testing.T) {
	for source, want := range map[string]authz.Inspection{
		"package a\ndefault allow := false\nallow if input.attributes.request.http.method == \"GET\"":            {Default: true},
		"package a\nallow if input.attributes.request.http.method == \"GET\"":                                    {},
		"package a\ndefault allow := true\nallow := false if input.attributes.request.http.method == \"DELETE\"": {Allows: true, Default: true},
		"package a\nallow := true": {Allows: true},
		"package a\nallow if not input.attributes.request.http.headers[\"x-bad\"]": {Allows: true},
		"package a\ndefault allow := {\"allowed\": true, \"headers\": {}}":         {Allows: true, Default: true},
		"package a\ndefault allow := {\"allowed\": false}":                         {Default: true},
		"package a\nallow if input.gatehouse.parameters.open":                      {Allows: true},
		"package a\ndefault other := true\nallow if {\n\tother\n\tinput.x\n}":      {},
		"package a\nallow := 1": {},
	} {
		p := &gateway.Policy{Name: "p", Source: source, With: map[string]any{"open": true}}
		table, faults := authz.Compile(&gateway.Revision{Policies: []*gateway.Policy{p}}, nil)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if got, ok := table.Inspect(p); !ok || got != want {
			t.Errorf("%s\ngot %+v, want %+v", source, got, want)
		}
	}
	table, _ := authz.Compile(&gateway.Revision{}, nil)
	if _, ok := table.Inspect(&gateway.Policy{Source: "package a\nallow := true"}); ok {
		t.Error("the table tells of a policy that it does not have")
	}
}

func TestFormat(t *testing.T) {
	text, err := authz.Format("package a\nallow   if {  input.x\n}\n")
	if want := "package a\n\nallow if input.x\n"; err != nil || text != want {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := authz.Format("package"); err == nil {
		t.Error("what is no Rego is formatted")
	}
}
