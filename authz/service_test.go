package authz_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// publicRoute is a route that anybody may use, as far as its policies allow.
func publicRoute(rules string, sources ...string) *gateway.Route {
	r := &gateway.Route{
		Name: "payments/v1/get", API: "payments", Version: "v1", Operation: "get", Action: gateway.ActionForward,
		Public: true, Rules: rules,
	}
	for i, source := range sources {
		r.Authorize = append(r.Authorize, gateway.AppliedPolicy{Policy: &gateway.Policy{Name: fmt.Sprint("p", i), Source: source}})
	}
	return r
}

func checkOf(rules string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{ContextExtensions: map[string]string{envoy.KeyRules: rules}}}
}

// ask returns the status of a refusal, 200 where the request is allowed, and the body of the answer.
func ask(t *testing.T, service *authz.Service, check *authv3.CheckRequest) (status int, body string) {
	t.Helper()
	response, err := service.Check(t.Context(), check)
	if err != nil {
		t.Fatal(err)
	}
	if response.GetOkResponse() != nil {
		return 200, ""
	}
	return int(response.GetDeniedResponse().GetStatus().GetCode()), response.GetDeniedResponse().GetBody()
}

func TestAnswersOfWrongType(t *testing.T) {
	for name, answer := range map[string]string{
		"number": `1`, "text": `"yes"`, "null": `null`, "set": `{true}`, "list": `[true]`,
		"allowed missing":       `{"reason": "x"}`,
		"allowed as text":       `{"allowed": "true"}`,
		"headers as text":       `{"allowed": true, "headers": "x"}`,
		"headers as numbers":    `{"allowed": true, "headers": {"x": 1}}`,
		"headers in a list":     `{"allowed": true, "headers": [1]}`,
		"header keys":           `{"allowed": true, "headers": {1: "x"}}`,
		"header lists":          `{"allowed": true, "headers": {"x": [1]}}`,
		"response headers":      `{"allowed": true, "response_headers_to_add": 1}`,
		"removed headers":       `{"allowed": true, "request_headers_to_remove": "x"}`,
		"removed header names":  `{"allowed": true, "request_headers_to_remove": [1]}`,
		"query":                 `{"allowed": true, "query_parameters_to_set": [1]}`,
		"query values":          `{"allowed": true, "query_parameters_to_set": {"a": 1}}`,
		"removed query":         `{"allowed": true, "query_parameters_to_remove": {"a": 1}}`,
		"metadata":              `{"allowed": true, "dynamic_metadata": ["x"]}`,
		"metadata keys":         `{"allowed": true, "dynamic_metadata": {"a": {1: "x"}}}`,
		"metadata number":       `{"allowed": true, "dynamic_metadata": {"a": [1e999]}}`,
		"metadata too deep":     `{"allowed": true, "dynamic_metadata": json.unmarshal(sprintf("{\"a\": %s1%s}", [concat("", ["[" | some _ in numbers.range(1, 30)]), concat("", ["]" | some _ in numbers.range(1, 30)])]))}`,
		"status as text":        `{"allowed": false, "http_status": "403"}`,
		"status as fraction":    `{"allowed": false, "http_status": 403.5}`,
		"body as object":        `{"allowed": false, "body": {"a": 1}}`,
		"header with line feed": `{"allowed": true, "headers": {"x-user": "a\nb"}}`,
		"header not UTF-8":      `{"allowed": true, "headers": {"x-user": base64.decode("/w==")}}`,
	} {
		t.Run(name, func(t *testing.T) {
			service := newService(patient)
			service.Use(compiled(t, revision(publicRoute("r1", "package a\nallow := "+answer)), nil))
			status, body := ask(t, service, checkOf("r1"))
			if status != 403 || !strings.Contains(body, gateway.ProblemPolicyFailed) {
				t.Errorf("answered %d %s, want 403 %s", status, body, gateway.ProblemPolicyFailed)
			}
			if got := service.Counts().Errors; got != 1 {
				t.Errorf("counted %d errors, want 1", got)
			}
		})
	}
}

func TestReasonOfAnotherTypeIsPassedOver(t *testing.T) {
	service := newService(patient)
	service.Use(compiled(t, revision(publicRoute("r1", `package a
allow := {"allowed": false, "reason": ["several"]}`)), nil))
	if status, body := ask(t, service, checkOf("r1")); status != 403 || !strings.Contains(body, gateway.ProblemDenied) {
		t.Errorf("answered %d %s, want 403 %s", status, body, gateway.ProblemDenied)
	}
}

func TestCounts(t *testing.T) {
	service := newService(patient)
	private := publicRoute("private", "package a\nallow := true")
	private.API, private.Public = "accounts", false
	private.Ways = []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Issuer: "https://id.bank.test"}}}}
	service.Use(compiled(t, revision(private,
		publicRoute("allow", "package a\nallow := true"),
		publicRoute("deny", "package a\nallow := false"),
		publicRoute("undefined", "package a\nallow if 1 == 2"),
		publicRoute("error", "package a\nallow := x if some x in [1, 2]"),
		publicRoute("body", "package a\nallow if input.parsed_body == 1"),
		publicRoute("host", `package a
allow := {"allowed": true, "headers": {"host": "x", ":path": "/"}}`),
		publicRoute("status", `package a
allow := {"allowed": false, "http_status": 418}`),
	), nil))
	malformed := checkOf("body")
	malformed.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		Headers: map[string]string{"content-type": "application/json"}, Body: "{",
	}}
	for _, check := range []*authv3.CheckRequest{
		checkOf("private"), checkOf("allow"), checkOf("allow"), checkOf("deny"), checkOf("undefined"), checkOf("error"),
		malformed, checkOf("host"), checkOf("status"), checkOf("unknown"), checkOf(""), nil,
	} {
		ask(t, service, check)
	}
	want := authz.Counts{
		UnknownRules: 3, Undefined: 1, Errors: 1, DroppedHeaders: 2, MappedStatuses: 1,
		Decisions: []authz.DecisionCount{
			{API: "accounts", Version: "v1", Result: authz.Unauthenticated, Count: 1},
			{API: "payments", Version: "v1", Result: authz.Allowed, Count: 3},
			{API: "payments", Version: "v1", Result: authz.Denied, Count: 3},
			{API: "payments", Version: "v1", Result: authz.Malformed, Count: 1},
			{API: "payments", Version: "v1", Result: authz.Failed, Count: 1},
		},
	}
	order := cmpopts.SortSlices(func(a, b authz.DecisionCount) bool {
		return fmt.Sprint(a.API, int(a.Result)) < fmt.Sprint(b.API, int(b.Result))
	})
	if diff := cmp.Diff(want, service.Counts(), order); diff != "" {
		t.Errorf("Counts (-want +got):\n%s", diff)
	}
}

func TestCountsAreBounded(t *testing.T) {
	service := newService(patient)
	rev := &gateway.Revision{}
	policy := &gateway.Policy{Name: "p", Source: "package a\nallow := true"}
	const apis = 2100
	for i := range apis {
		r := publicRoute(fmt.Sprint("r", i))
		r.API = fmt.Sprint("api", i)
		r.Authorize = []gateway.AppliedPolicy{{Policy: policy}}
		rev.Routes = append(rev.Routes, r)
	}
	service.Use(compiled(t, rev, nil))
	for i := range apis {
		ask(t, service, checkOf(fmt.Sprint("r", i)))
	}
	counts := service.Counts().Decisions
	sum, other := uint64(0), uint64(0)
	for _, c := range counts {
		sum += c.Count
		if c.API == authz.Other {
			other = c.Count
		}
	}
	if len(counts) != 2001 || sum != apis || other != 100 {
		t.Errorf("%d counters, %d decisions, %d of them of other APIs; want 2001, %d, 100", len(counts), sum, other, apis)
	}
}

func TestEndlessPolicyIsStopped(t *testing.T) {
	service := newService(2 * time.Millisecond)
	service.Use(compiled(t, revision(publicRoute("r1", `package a
allow if count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i * j < 0]) > 0`)), nil))
	status, body := ask(t, service, checkOf("r1"))
	if status != 403 || !strings.Contains(body, `"reason":"timeout"`) {
		t.Errorf("answered %d %s, want 403 for the timeout", status, body)
	}
	if got := service.Counts().Timeouts; got != 1 {
		t.Errorf("counted %d timeouts, want 1", got)
	}
}

func TestCheckAfterItsDeadline(t *testing.T) {
	service := newService(patient)
	service.Use(compiled(t, revision(publicRoute("r1", "package a\nallow := true")), nil))
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	response, err := service.Check(ctx, checkOf("r1"))
	if err != nil || response.GetDeniedResponse().GetStatus().GetCode() != 503 {
		t.Errorf("answered %v, %v; want 503", response, err)
	}
	if counts := service.Counts(); counts.Expired != 1 || len(counts.Decisions) != 0 {
		t.Errorf("counted %+v, want 1 expired", counts)
	}
}

func TestRulesStayAnswerableForFiftyTables(t *testing.T) {
	service := newService(patient)
	service.Use(compiled(t, revision(publicRoute("old", "package a\nallow := true")), nil))
	var table *authz.Table
	for i := range 49 {
		table = compiled(t, revision(publicRoute(fmt.Sprint("r", i), "package a\nallow := true")), table)
		service.Use(table)
	}
	if status, _ := ask(t, service, checkOf("old")); status != 200 {
		t.Errorf("the rules of 49 tables ago answered %d, want 200", status)
	}
	service.Use(table)
	if status, _ := ask(t, service, checkOf("old")); status != 503 {
		t.Errorf("the rules of 50 tables ago answered %d, want 503", status)
	}
	if status, _ := ask(t, service, checkOf("r0")); status != 200 {
		t.Errorf("the rules of 49 tables ago answered %d, want 200", status)
	}
}

// TestUseWhileChecking swaps tables under load: a request is answered by what its route names, old or new, without a gap.
func TestUseWhileChecking(t *testing.T) {
	service := newService(patient)
	source := func(i int) string {
		return fmt.Sprintf("package a\nallow := {\"allowed\": false, \"http_status\": %d}", 400+i%3)
	}
	table := compiled(t, revision(publicRoute("r0", source(0))), nil)
	service.Use(table)
	const tables = 40
	used := make(chan int, tables)
	used <- 0
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for last := range used {
				for i := range last + 1 {
					want := 400 + i%3
					if status, body := ask(t, service, checkOf(fmt.Sprint("r", i))); status != want {
						t.Errorf("r%d after table %d answered %d %s, want %d", i, last, status, body, want)
					}
				}
			}
		})
	}
	for i := 1; i < tables; i++ {
		table = compiled(t, revision(publicRoute(fmt.Sprint("r", i), source(i))), table)
		service.Use(table)
		used <- i
	}
	close(used)
	group.Wait()
}

func TestNoStatusIsAnError(t *testing.T) {
	for status := -1; status < 700; status += 7 {
		service := newService(patient)
		service.Use(compiled(t, revision(publicRoute("r1", fmt.Sprintf(`package a
allow := {"allowed": false, "http_status": %d}`, status))), nil))
		got, _ := ask(t, service, checkOf("r1"))
		if _, known := typev3.StatusCode_name[int32(got)]; !known || got < 200 {
			t.Errorf("http_status %d was answered as %d, which Envoy does not know", status, got)
		}
	}
}
