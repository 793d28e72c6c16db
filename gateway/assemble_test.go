package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
)

func TestAssemble(t *testing.T) {
	rev := assemble(t, bank(t))
	want := []string{
		"payments/v1/getPayment", "payments/v1/createPayment",
		"payments/v1/method-not-allowed", "payments/v1/method-not-allowed", "payments/v1/unlisted",
		"route/website",
	}
	if diff := cmp.Diff(want, names(rev)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	get := rev.Routes[0]
	if get.Match.Path.String() != "/payments/{id}" || get.Targets[0].Upstream.Name != "payments" ||
		get.Ways[0][0].Issuer.Name != "nordhaven" || get.Authorize[0].Policy.Name != "bank.payments" || get.Public {
		t.Errorf("getPayment is %+v", get)
	}
	if get.Limits[0].Scope != "payments/v1" {
		t.Errorf("the API's limit counts in scope %q", get.Limits[0].Scope)
	}
	hops := []gateway.Hop{{Service: "authorization", Why: "policy bank.payments; it spends limit per-customer"}}
	if diff := cmp.Diff(hops, get.Hops()); diff != "" {
		t.Errorf("hops of getPayment (-want +got):\n%s", diff)
	}
	if site := rev.Routes[5]; !site.Public || site.API != "-" || len(site.Hops()) != 0 {
		t.Errorf("website is %+v", site)
	}
}

// TestRulesFollowWhatDecides changes one thing at a time: what authorization and limits decide by changes the rules of the
// routes that use it, anything else leaves every hash as it was.
func TestRulesFollowWhatDecides(t *testing.T) {
	hashes := func(docs *gateway.Documents) string {
		var all []string
		for _, r := range assemble(t, docs).Routes {
			all = append(all, r.Rules)
		}
		return strings.Join(all, " ")
	}
	before := hashes(bank(t))
	seen := strings.Fields(before)
	slices.Sort(seen)
	if len(slices.Compact(seen)) != 6 {
		t.Errorf("routes share a hash: %s", before)
	}
	for _, test := range []struct {
		name    string
		change  func(*gateway.Documents)
		changed bool
	}{
		{"policy text", func(d *gateway.Documents) { d.Policies[0].Source += "\n" }, true},
		{"policy data", func(d *gateway.Documents) { d.Policies[0].Data = map[string]any{"a": 1} }, true},
		{"parameters", func(d *gateway.Documents) { d.APIs[0].Authorize[0].With = map[string]any{"currency": "EUR"} }, true},
		{"key set", func(d *gateway.Documents) { d.Issuers[0].KeySet = []byte("{}") }, true},
		{"limit", func(d *gateway.Documents) { d.APIs[0].Limits[0].Windows[0].Limit = 6 }, true},
		{"failure mode", func(d *gateway.Documents) { d.APIs[0].WhenAway.Limits = gateway.Closed }, true},
		{"host", func(d *gateway.Documents) { d.APIs[0].Expose[0].Hosts[0] = "api2.bank.test" }, true},
		{"public", func(d *gateway.Documents) {
			d.APIs[0].Authenticate, d.APIs[0].Limits = &gateway.Authenticate{None: true}, nil
		}, true},
		{"where the policy stands", func(d *gateway.Documents) { d.Policies[0].File, d.Policies[0].Line = "moved.rego", 7 }, false},
		{"upstream", func(d *gateway.Documents) { d.Upstreams[0].Timeout = time.Hour }, false},
		{"labels", func(d *gateway.Documents) { d.APIs[0].Labels = map[string]string{"tier": "gold"} }, false},
		{"order of operations", func(d *gateway.Documents) { slices.Reverse(d.APIs) }, false},
	} {
		docs := bank(t)
		test.change(docs)
		if after := hashes(docs); (after != before) != test.changed {
			t.Errorf("%s: changed is %v, want %v", test.name, !test.changed, test.changed)
		}
	}
}

func TestAssembleFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*gateway.Documents)
		code    gateway.Code
		field   string
		message string
	}{
		{"dangling upstream", func(d *gateway.Documents) { d.APIs[0].To[0].Upstream = "paymets" }, gateway.CodeDangling, "to[0].upstream", `did you mean "payments"?`},
		{"dangling collector", func(d *gateway.Documents) { d.Gateways[0].Tracing = &gateway.Tracing{To: "otle"} }, gateway.CodeDangling, "tracing.to", `no Upstream named "otle"`},
		{"collector without gRPC", func(d *gateway.Documents) { d.Gateways[0].Tracing = &gateway.Tracing{To: d.Upstreams[0].Name} }, gateway.CodeConflict, "tracing.to", "write protocol: http2"},
		{"collector of a team", func(d *gateway.Documents) {
			d.Upstreams[0].Team = "cards"
			d.Gateways[0].Tracing = &gateway.Tracing{To: d.Upstreams[0].Name}
		}, gateway.CodePlatform, "tracing.to", "not shared"},
		{"dangling gateway", func(d *gateway.Documents) { d.APIs[0].Expose[0].Gateway = "moon" }, gateway.CodeDangling, "expose[0].gateway", `no Gateway named "moon"`},
		{"dangling issuer", func(d *gateway.Documents) { d.APIs[0].Authenticate.Any[0].JWT = "x" }, gateway.CodeDangling, "authenticate.any[0].jwt", "no Issuer"},
		{"dangling policy", func(d *gateway.Documents) { d.APIs[0].Authorize[0].Policy = "bank.payment" }, gateway.CodeDangling, "authorize[0].policy", "did you mean"},
		{"no authenticate", func(d *gateway.Documents) { d.APIs[1].Authenticate = nil }, gateway.CodeNoAuthenticate, "authenticate", "authenticate: none"},
		{"no target", func(d *gateway.Documents) { d.APIs[1].To = nil }, gateway.CodeNoTarget, "to", "forwards to nothing"},
		{"weights", func(d *gateway.Documents) { d.APIs[1].To[0].Weight = 0 }, gateway.CodeWeight, "to", "every weight is 0"},
		{"host not served", func(d *gateway.Documents) { d.Gateways[0].Listeners[0].Hosts = []string{"www.bank.test"} }, gateway.CodeHostNotServed, "expose[0].hosts[0]", "serves the host"},
		{"not exposed", func(d *gateway.Documents) { d.APIs[0].Expose = nil }, gateway.CodeNotExposed, "expose", "exposed nowhere"},
		{"operation twice", func(d *gateway.Documents) { d.APIs[0].Operations[1].ID = "getPayment" }, gateway.CodeDuplicateOperation, "operations[1]", "written twice"},
		{"equal match", func(d *gateway.Documents) {
			d.APIs[0].Operations[1].Match = gateway.Match{Methods: []string{"PUT", "GET"}, Path: path(t, "/{payment}")}
		}, gateway.CodeEqualMatch, "", "payments/v1/createPayment matches the same requests as payments/v1/getPayment"},
		{"limit by token on a public route", func(d *gateway.Documents) { d.APIs[1].Limits = d.APIs[0].Limits }, gateway.CodeLimitKey, "limits[0].key", "without a token"},
		{"limit twice", func(d *gateway.Documents) { d.APIs[0].Limits = append(d.APIs[0].Limits, d.APIs[0].Limits[0]) }, gateway.CodeDuplicateLimit, "limits[1].name", "written twice"},
		{"listener clash", func(d *gateway.Documents) {
			d.Gateways[0].Listeners = append(d.Gateways[0].Listeners, gateway.Listener{Name: "two", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}})
		}, gateway.CodeListenerClash, "listeners[1].port", "asks for 127.0.0.1:8080"},
		{"issuer clash", func(d *gateway.Documents) {
			d.Issuers = append(d.Issuers, &gateway.Issuer{Name: "other", Issuer: d.Issuers[0].Issuer})
		}, gateway.CodeIssuerClash, "issuer", "the same issuer"},
		{"forward without authenticate", func(d *gateway.Documents) {
			api := d.APIs[0]
			auth := api.Authenticate
			api.Authenticate, api.Unlisted = nil, gateway.Forward
			for i := range api.Operations {
				api.Operations[i].Authenticate = auth
			}
			api.Limits = nil
		}, gateway.CodeNoAuthenticate, "unlisted", "unlisted: forward"},
	} {
		t.Run(test.name, func(t *testing.T) {
			docs := bank(t)
			test.change(docs)
			_, faults := gateway.Assemble(docs, nil)
			if !slices.ContainsFunc(faults, func(f gateway.Fault) bool {
				return f.Code == test.code && f.Field == test.field && strings.Contains(f.Message, test.message)
			}) {
				t.Errorf("no fault %s at %q with %q among:\n%v", test.code, test.field, test.message, faults)
			}
		})
	}
}

// TestFaultsOfBrokenObjectsAreToldOnce refers to a policy that was left out because of its own faults.
func TestFaultsOfBrokenObjectsAreToldOnce(t *testing.T) {
	docs := bank(t)
	docs.Policies = nil
	docs.Broken = map[gateway.Ref]bool{{Kind: gateway.KindPolicy, Name: "bank.payments"}: true}
	if _, faults := gateway.Assemble(docs, nil); len(faults) != 0 {
		t.Errorf("faults: %v", faults)
	}
}

func TestContentID(t *testing.T) {
	docs := bank(t)
	docs.Files = map[string][]byte{"a": []byte("xy"), "b": []byte("z")}
	first := assemble(t, docs).ID
	docs.Files = map[string][]byte{"a": []byte("x"), "b": []byte("yz")}
	if second := assemble(t, docs).ID; first == second {
		t.Errorf("different files share the content id %s", first)
	}
}
