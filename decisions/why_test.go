package decisions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/gateway"
)

// origin tells where the routes of these tests are written.
func origin(api, _, _ string) string {
	if api == "payments" {
		return "payments.yaml:22"
	}
	return ""
}

func TestWhy(t *testing.T) {
	t.Parallel()
	change := func(f func(*gateway.Decision)) []gateway.Decision {
		d := refusal("r", noon())
		f(&d)
		return []gateway.Decision{d}
	}
	for name, c := range map[string]struct {
		all  []gateway.Decision
		want []string // All of them are said.
	}{
		"policy": {change(func(*gateway.Decision) {}), []string{
			"time: 2026-11-23T12:00:00.123456Z", "node: edge-1 of fleet edge", "request: GET /payments/alice",
			"route: payments/v1/getPayment, from payments.yaml:22", "answer: 403, refused by Gatehouse",
			"who: bob, proven by a token of https://id.nordhaven.test", "why: The policy bank.payments denied it (not-owner).", "do: If it should be allowed",
		}},
		"undefined": {change(func(d *gateway.Decision) { d.Reason = "undefined" }), []string{"says nothing about this request"}},
		"failed": {change(func(d *gateway.Decision) {
			d.Result, d.Code, d.Reason = "failed", gateway.ProblemPolicyFailed, "timeout"
		}), []string{"The policy bank.payments came to no decision (timeout).", "do: Mend the policy"}},
		"key": {change(func(d *gateway.Decision) {
			d.Identity = &gateway.Identity{Kind: gateway.ByKey, Consumer: "k1", Application: "shop"}
		}), []string{"who: k1, proven by an API key, application shop"}},
		"nobody": {change(func(d *gateway.Decision) {
			d.Policy, d.Reason, d.Identity, d.Status, d.Result, d.Detail = "", "", nil, 401, "unauthenticated", "A token is needed."
		}), []string{"who: nobody proved who they are", "why: A token is needed.", "do: Send a token"}},
		"limit": {change(func(d *gateway.Decision) {
			d.Policy, d.Reason, d.Status, d.Result = "", "five", 429, gateway.ResultLimited
		}), []string{"answer: 429", "why: The limit five is reached.", "do: Come back when Retry-After says"}},
		"shadow": {change(func(d *gateway.Decision) {
			d.Shadows, d.Lacks = []gateway.ShadowDecision{{Policy: "next", Result: "denied", Reason: "old"}}, []string{"input"}
		}), []string{"shadow: the policy next would have answered: denied (old)", "not recorded: input"}},
		"route document": {change(func(d *gateway.Decision) { d.API, d.Version, d.Operation = "-", "", "website" }), []string{"route: route/website"}},
		"unknown rules, whose route the access log tells": {
			[]gateway.Decision{
				change(func(d *gateway.Decision) {
					d.API, d.Version, d.Operation, d.Policy, d.Status, d.Code, d.Result = "", "", "", "", 503, gateway.ProblemRulesUnknown, "failed"
				})[0],
				change(func(d *gateway.Decision) {
					d.Policy, d.Status, d.Code, d.Result, d.By = "", 503, "", "failed", gateway.ByEnvoy
				})[0],
			},
			[]string{"route: payments/v1/getPayment", "does not know the rules"},
		},
		"allowed, and then beyond a limit": {
			[]gateway.Decision{passage("r", noon()), change(func(d *gateway.Decision) {
				d.Policy, d.Reason, d.Status, d.Result, d.Identity = "", "five", 429, gateway.ResultLimited, nil
				d.Time = d.Time.Add(time.Second)
			})[0]},
			[]string{"answer: 429", "who: bob"},
		},
		"allowed": {[]gateway.Decision{passage("r", noon())}, []string{"answer: allowed by Gatehouse", "allow it"}},
		"let through": {change(func(d *gateway.Decision) {
			*d = passage("r", noon())
			d.Code, d.By = gateway.ProblemAuthzAway, gateway.ByEnvoy
		}), []string{"answer: allowed by Envoy itself", "could not be asked"}},
	} {
		var said strings.Builder
		for _, l := range decisions.Why(c.all, origin) {
			said.WriteString(l.About + ": " + l.Text + "\n")
		}
		for _, want := range c.want {
			if !strings.Contains(said.String(), want) {
				t.Errorf("%s: %q is not said:\n%s", name, want, &said)
			}
		}
	}
	if said := decisions.Why(nil, origin); said != nil {
		t.Errorf("about nothing: %v", said)
	}
}
