package authz_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestGuardedCallsDoNotReduce holds that a call that goes by way of a guard is none that partial evaluation loses: a rule that is
// lost would be one that Envoy does not ask.
func TestGuardedCallsDoNotReduce(t *testing.T) {
	for _, source := range []string{
		`allow if concat("/", [input.attributes.request.http.method, "x"]) == "GET/x"`,
		"default allow := true\nallow := false if concat(\"/\", [input.attributes.request.http.method, \"x\"]) == \"GET/x\"",
		"allow if input.attributes.request.http.method == \"GET\"\nallow if { some x in split(input.attributes.request.http.headers.a, \",\"); x == \"b\" }",
		"allow if not denied\ndenied if json.unmarshal(input.attributes.request.http.headers.a).b == 1",
		"allow if not denied\ndenied if sprintf(\"%s\", [input.attributes.request.http.headers.a]) == \"1\"",
	} {
		r := authz.NewReducer().Reduce(&gateway.Policy{Name: "p", Source: "package a\n" + source}, nil)
		if r.Native != nil || r.Why == "" || strings.Contains(r.Why, "gatehouse.") {
			t.Errorf("%s reduces to %+v, because of %q", source, r.Native, r.Why)
		}
	}
	known := &gateway.Policy{Name: "p", Source: "package a\nallow if input.attributes.request.http.method == concat(\"\", [\"G\", \"ET\"])"}
	if r := authz.NewReducer().Reduce(known, nil); r.Native == nil {
		t.Errorf("a call of what is known does not reduce: %s", r.Why)
	}
}
