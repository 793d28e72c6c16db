package authz

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// many is a revision of routes that apply one policy each; the named ones say something else than usual.
func many(n int, changed ...int) *gateway.Revision {
	rev := &gateway.Revision{}
	for i := range n {
		said := i
		for _, c := range changed {
			if c == i {
				said = -1
			}
		}
		p := &gateway.Policy{Name: fmt.Sprint("p", i), Source: fmt.Sprintf("package a\nallow if input.parsed_path[0] == \"%d\"", said)}
		rev.Policies = append(rev.Policies, p)
		rev.Routes = append(rev.Routes, &gateway.Route{
			API: "payments", Version: "v1", Operation: fmt.Sprint("op", i), Action: gateway.ActionForward, Public: true,
			Authorize: []gateway.AppliedPolicy{{Policy: p}}, Rules: fmt.Sprintf("r%d-%d", i, said),
		})
	}
	return rev
}

func TestCompileReusesByContent(t *testing.T) {
	first, faults := Compile(many(200), nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	second, faults := Compile(many(200, 7), first)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if first.Len() != 200 || second.Len() != 200 {
		t.Fatalf("%d and %d routes, want 200 each", first.Len(), second.Len())
	}
	fresh := 0
	for hash, r := range second.rules {
		if r != first.rules[hash] {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d routes were made anew, want 1", fresh)
	}
	compiled := 0
	for c, p := range second.policies {
		if p != first.policies[c] {
			compiled++
		}
	}
	if compiled != 1 || len(second.policies) != 200 {
		t.Errorf("%d of %d policies were compiled anew, want 1 of 200", compiled, len(second.policies))
	}
}

func TestCompileSharesEqualPolicies(t *testing.T) {
	rev := many(3)
	for i, p := range rev.Policies {
		p.Source, p.File, p.With = "package a\nallow := true", fmt.Sprint("f", i), map[string]any{"i": i}
		rev.Routes[i].Authorize[0].Parameters = map[string]any{"i": i}
	}
	table, faults := Compile(rev, nil)
	if len(faults) > 0 || len(table.policies) != 1 || table.Len() != 3 {
		t.Errorf("%d policies, %d routes, faults %v; want 1, 3, none", len(table.policies), table.Len(), faults)
	}
	// Other rules with the same policy: new rules, the same compiled policy.
	rev.Routes[0].Rules = "changed"
	next, _ := Compile(rev, table)
	if next.rules["changed"].policies[0].policy != table.rules["r1-1"].policies[0].policy {
		t.Error("a route with changed rules compiled an unchanged policy again")
	}
	rev.Policies[0].Data = map[string]any{"x": 1}
	next, _ = Compile(rev, table)
	if len(next.policies) != 2 {
		t.Errorf("a policy with changed data left %d policies, want 2", len(next.policies))
	}
}

func TestPanicIsARefusal(t *testing.T) {
	var log bytes.Buffer
	service := New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Limit: time.Minute})
	service.Use(&Table{rules: map[string]*rules{"r1": {hash: "r1", api: "payments", public: true, policies: []applied{{}}}}})
	check := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{ContextExtensions: map[string]string{envoy.KeyRules: "r1"}}}
	const checks = 100
	for range checks {
		response, err := service.Check(t.Context(), check)
		if err != nil || response.GetDeniedResponse().GetStatus().GetCode() != 403 {
			t.Fatalf("answered %v, %v; want 403", response, err)
		}
	}
	counts := service.Counts()
	if counts.Panics != checks || len(counts.Decisions) != 1 || counts.Decisions[0].Count != checks {
		t.Errorf("counted %+v, want %d panics", counts, checks)
	}
	if lines := strings.Count(log.String(), "\n"); lines < 1 || lines > 2*logBurst {
		t.Errorf("%d panics wrote %d lines of log, want few", checks, lines)
	}
}
