package authz_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestFaults compiles policies that are wrong, as files of their own: each fault must name the line.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name, source, entry string
		want                []string // file:line:column: CODE: begin of the message
	}{
		{"syntax", "package a\n\nallow if {\n\tinput.x = = 1\n}\n", "", []string{"p.rego:4:12: GH301: unexpected"}},
		{"empty", "", "", []string{"bank.yaml:3:1: GH301: the policy is empty"}},
		{"comment only", "# nothing\n", "", []string{"bank.yaml:3:1: GH301: the policy is empty"}},
		{"unsafe variable", "package a\n\nallow if x == 1\n", "", []string{"p.rego:3:10: GH301: var x is unsafe"}},
		{"unknown function", "package a\nallow if no.such(1)\n", "", []string{"p.rego:2:10: GH301: undefined function no.such"}},
		{"type", "package a\nallow if 1 == \"x\"\n", "", []string{"p.rego:2:10: GH301: match error"}},
		{"recursion", "package a\nallow if allow\n", "", []string{"p.rego:2:1: GH301: rule data.a.allow is recursive"}},
		{
			"several", "package a\nallow if x == 1\ndeny if y == 1\n", "",
			[]string{"p.rego:2:10: GH301: var x is unsafe", "p.rego:3:9: GH301: var y is unsafe"},
		},
		{"no rule", "package bank.a\npermit := true\n", "", []string{"p.rego:1:1: GH302: the policy has no rule data.bank.a.allow"}},
		{"no such entry", "package a\nallow := true\n", "a/permit", []string{"p.rego:1:1: GH302: the policy has no rule data.a.permit"}},
		{"entry of another package", "package a\nallow := true\n", "b/allow", []string{"p.rego:1:1: GH302: the policy has no rule data.b.allow"}},
		{
			"http.send", "package a\n\nallow if {\n\thttp.send({\"method\": \"GET\", \"url\": \"https://x.test\"}).status_code == 200\n}\n", "",
			[]string{"p.rego:4:2: GH303: http.send may not be used"},
		},
		{"lookup", "package a\nallow if net.lookup_ip_addr(\"x.test\")\n", "", []string{"p.rego:2:10: GH303: net.lookup_ip_addr may not be used"}},
		{"runtime", "package a\nallow if opa.runtime().env.HOME\n", "", []string{"p.rego:2:10: GH303: opa.runtime may not be used"}},
		{"runtime replaced", "package a\nallow if data.f(1) with data.f as http.send\n", "", []string{"p.rego:2:35: GH303: http.send may not be used"}},
		{"stands in", "package a\nf(x) := x\nallow if f(1) with data.a.f as json.marshal\n", "", []string{"p.rego:3:15: GH301: json.marshal may not stand in for another function"}},
		{"named like one", "package a\nimport data.http.send\nallow if data.opa.runtime\n", "", nil},
		{"harmless", "package a\nallow if {\n\ttrace(\"x\")\n\tprint(input)\n}\n", "", nil},
		{"entry as a document", "package bank.a\nallowed := true\n", "bank/a", nil},
		{"entry with slashes around", "package bank.a\nok := true\n", "/bank/a/ok/", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &gateway.Policy{
				Name: "p", Source: test.source, File: "p.rego", Line: 1, Entry: test.entry,
				Origin: gateway.Origin{File: "bank.yaml", Line: 3, Column: 1},
			}
			_, faults := authz.Compile(&gateway.Revision{Policies: []*gateway.Policy{p}}, nil)
			if len(faults) != len(test.want) {
				t.Fatalf("got faults\n%v\nwant %d", gateway.Faults(faults), len(test.want))
			}
			for i, f := range faults {
				if !strings.HasPrefix(f.Error(), test.want[i]) || strings.Contains(f.Message, "\n") {
					t.Errorf("got fault %q, want %q", f.Error(), test.want[i])
				}
				if f.Object != (gateway.Ref{Kind: gateway.KindPolicy, Name: "p"}) {
					t.Errorf("the fault is of %v", f.Object)
				}
			}
		})
	}
}

func TestFaultsOfInlinePolicies(t *testing.T) {
	p := &gateway.Policy{
		Name: "p", Source: "package a\nallow if x == 1\n", File: "bank.yaml", Line: 41,
		Origin: gateway.Origin{File: "bank.yaml", Line: 38, Column: 1},
	}
	q := &gateway.Policy{Name: "q", Source: p.Source, File: "q.rego", Line: 1, Origin: gateway.Origin{File: "bank.yaml", Line: 50}}
	route := publicRoute("r1")
	route.Authorize = []gateway.AppliedPolicy{{Policy: p}}
	fine := publicRoute("r2", "package a\nallow := true")
	table, faults := authz.Compile(&gateway.Revision{
		Policies: []*gateway.Policy{p, q}, Routes: []*gateway.Route{route, fine},
	}, nil)
	var places []string
	for _, f := range faults {
		places = append(places, f.Object.Name+" "+f.Place.String())
	}
	if diff := cmp.Diff([]string{"p bank.yaml:42", "q q.rego:2:10"}, places); diff != "" {
		t.Errorf("each document with the mistake is told its own place (-want +got):\n%s", diff)
	}
	if table.Len() != 1 {
		t.Errorf("the table answers for %d routes, want only the one without fault", table.Len())
	}
}

func TestCompileSkipsRoutesThatAskNobody(t *testing.T) {
	refused := publicRoute("r2", "package a\nallow := true")
	refused.Action = gateway.ActionRefuse
	table := compiled(t, revision(publicRoute("r1"), refused, publicRoute("r3", "package a\nallow := true")), nil)
	if table.Len() != 1 {
		t.Errorf("the table answers for %d routes, want 1", table.Len())
	}
}

func TestParametersThatAreNotJSON(t *testing.T) {
	r := publicRoute("r1", "package a\nallow := true")
	r.Authorize[0].Parameters = map[string]any{"x": make(chan int)}
	if _, faults := authz.Compile(revision(r), nil); len(faults) != 1 {
		t.Errorf("got faults %v, want one", faults)
	}
	r.Authorize[0].Parameters = nil
	r.Authorize[0].Policy.Data = map[string]any{"x": make(chan int)}
	if _, faults := authz.Compile(revision(r), nil); len(faults) != 1 {
		t.Errorf("got faults %v, want one", faults)
	}
}

// TestSchemasAreNotFetched lets a policy name a JSON schema on a host: OPA would fetch it.
func TestSchemasAreNotFetched(t *testing.T) {
	var fetched atomic.Int32
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		fmt.Fprint(w, `{"type": "object"}`)
	}))
	defer host.Close()
	service := newService(patient)
	service.Use(compiled(t, revision(publicRoute("r1", fmt.Sprintf(`package a
default allow := false
allow if json.match_schema({}, {"$ref": %q})[0]`, host.URL+"/schema.json"))), nil))
	if status, _ := ask(t, service, checkOf("r1")); status != 403 {
		t.Errorf("answered %d, want 403", status)
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("the schema was fetched %d times", n)
	}
}
