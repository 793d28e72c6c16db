package gateway_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

func TestPolicyReadsBody(t *testing.T) {
	for _, test := range []struct {
		name, source string
		want         bool
	}{
		{"method only", "package a\n\nallow if input.attributes.request.http.method == \"GET\"\n", false},
		{"parsed body", "allow if input.parsed_body.amount < 100", true},
		{"raw body", "allow if input.attributes.request.http.rawBody != \"\"", true},
		{"truncated body", "allow if not input.truncated_body", true},
		{"imported part", "import input.attributes.request.http as http\nallow if http.method == \"GET\"", false},
		{"imported body", "import input.parsed_body as b", true},
		{"walk over everything", "allow if { walk(input, [p, v]); v == \"x\" }", true},
		{"iteration", "allow if some k, v in input", true},
		{"computed part", "allow if input[name] == 1", true},
		{"bracketed part", "allow if input[\"version\"].encoding == \"protojson\"", false},
		{"whole input at the end of a line", "x := input\n", true},
		{"input replaced", "allow if helper with input as {\"a\": 1}", false},
		{"input part replaced", "allow if helper with input.a as 1", false},
		{"another name", "allow if my_input == inputs", false},
		{"a part named input", "allow if data.input == 1", false},
		{"text that begins with input", "allow if data.x == \"input\"", false},
		{"comment", "# reads no body, only input\nallow := true", false},
		{"comment behind code", "allow := true # whatever the body", true},
		{"empty", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := &gateway.Policy{Source: test.source}
			if got := policy.ReadsBody(); got != test.want {
				t.Errorf("ReadsBody() = %v, want %v", got, test.want)
			}
			route := &gateway.Route{Authorize: []gateway.AppliedPolicy{{Policy: &gateway.Policy{}}, {Policy: policy}}}
			if got := route.ReadsBody(); got != test.want {
				t.Errorf("Route.ReadsBody() = %v, want %v", got, test.want)
			}
		})
	}
}
