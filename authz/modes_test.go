package authz_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// decided keeps the records of decisions.
type decided struct{ all []gateway.Decision }

func (d *decided) Record(one *authz.Decided) { d.all = append(d.all, one.Decision(false)) }

// modal is a route with policies in modes.
func modal(policies ...gateway.AppliedPolicy) *gateway.Route {
	route := publicRoute("modes")
	route.Authorize = policies
	return route
}

func applied(name, rego string, mode gateway.Mode, percent float64) gateway.AppliedPolicy {
	return gateway.AppliedPolicy{Policy: &gateway.Policy{Name: name, Source: rego}, Mode: mode, Percent: percent}
}

// TestModes has policies of all modes decide about one request: only what counts is answered, and what does not is recorded.
func TestModes(t *testing.T) {
	const (
		allows = "package a\nallow := {\"allowed\": true, \"headers\": {\"x-seen\": \"yes\"}}"
		denies = "package a\nallow := {\"allowed\": false, \"reason\": \"not-today\"}"
		fails  = "package a\nallow := {\"allowed\": \"perhaps\"}"
		reads  = "package a\nallow if input.parsed_body.x == 1"
	)
	for name, test := range map[string]struct {
		policies []gateway.AppliedPolicy
		body     string
		status   int32 // Of the refusal; 0: allowed.
		headers  int
		shadows  []gateway.ShadowDecision
	}{
		"off":             {[]gateway.AppliedPolicy{applied("p", denies, gateway.Off, 0), applied("e", allows, gateway.Enforce, 0)}, "", 0, 1, nil},
		"shadow denies":   {[]gateway.AppliedPolicy{applied("p", denies, gateway.Shadow, 0)}, "", 0, 0, []gateway.ShadowDecision{{Policy: "p", Result: "denied", Reason: "not-today"}}},
		"shadow allows":   {[]gateway.AppliedPolicy{applied("p", allows, gateway.Shadow, 0)}, "", 0, 0, []gateway.ShadowDecision{{Policy: "p", Result: "allowed"}}},
		"shadow fails":    {[]gateway.AppliedPolicy{applied("p", fails, gateway.Shadow, 0)}, "", 0, 0, []gateway.ShadowDecision{{Policy: "p", Result: "failed", Reason: "wrong-type"}}},
		"beside enforced": {[]gateway.AppliedPolicy{applied("e", allows, gateway.Enforce, 0), applied("p", denies, gateway.Shadow, 0)}, "", 0, 1, []gateway.ShadowDecision{{Policy: "p", Result: "denied", Reason: "not-today"}}},
		"behind refusal":  {[]gateway.AppliedPolicy{applied("e", denies, gateway.Enforce, 0), applied("p", allows, gateway.Shadow, 0), applied("f", allows, gateway.Enforce, 0)}, "", 403, 0, []gateway.ShadowDecision{{Policy: "p", Result: "allowed"}}},
		"malformed":       {[]gateway.AppliedPolicy{applied("p", reads, gateway.Shadow, 0), applied("e", allows, gateway.Enforce, 0)}, "{", 0, 1, []gateway.ShadowDecision{{Policy: "p", Result: "malformed"}}},
		"malformed both":  {[]gateway.AppliedPolicy{applied("p", reads, gateway.Shadow, 0), applied("e", reads, gateway.Enforce, 0)}, "{", 400, 0, []gateway.ShadowDecision{{Policy: "p", Result: "malformed"}}},
	} {
		t.Run(name, func(t *testing.T) {
			records := &decided{}
			service := newServiceWith(authz.Options{Limit: patient, Recorder: records})
			service.Use(compiled(t, revision(modal(test.policies...)), nil))
			check := envoyCheck(t, "modes", "POST", "/", nil)
			check.Attributes.Request.Http.Headers["content-type"] = "application/json"
			check.Attributes.Request.Http.Body = test.body
			response, err := service.Check(t.Context(), check)
			if err != nil {
				t.Fatal(err)
			}
			if got := int32(response.GetDeniedResponse().GetStatus().GetCode()); got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
			if got := len(response.GetOkResponse().GetHeaders()); got != test.headers {
				t.Errorf("got %d headers, want %d", got, test.headers)
			}
			if diff := cmp.Diff(test.shadows, records.all[0].Shadows); diff != "" {
				t.Errorf("what was shadowed (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPercent holds that a policy counts for about its percentage of requests, and for a request always or never.
func TestPercent(t *testing.T) {
	records := &decided{}
	service := newServiceWith(authz.Options{Limit: patient, Recorder: records})
	service.Use(compiled(t, revision(modal(applied("p", "package a\nallow := false", gateway.Enforce, 20))), nil))
	check := envoyCheck(t, "modes", "GET", "/", nil)
	refused := 0
	const requests = 3000
	ask := func(id string) bool {
		check.Attributes.Request.Http.Headers["x-request-id"] = id
		response, err := service.Check(t.Context(), check)
		if err != nil {
			t.Fatal(err)
		}
		return response.GetDeniedResponse() != nil
	}
	for i := range requests {
		id := fmt.Sprintf("6d7a5e9f-6b8c-4a53-9a15-%012d", i)
		first := ask(id)
		if ask(id) != first {
			t.Fatalf("request %s is treated in two ways", id)
		}
		if first {
			refused++
		}
		if got := len(records.all[2*i].Shadows); (got == 0) != first {
			t.Fatalf("request %s: refused %v, shadowed %d times", id, first, got)
		}
	}
	if refused < requests*15/100 || refused > requests*25/100 {
		t.Errorf("%d of %d requests were refused, want about 20 %%", refused, requests)
	}
	if check.Attributes.Request.Http.Id = ""; !ask("") {
		t.Error("a request without an id is let off")
	}
}
