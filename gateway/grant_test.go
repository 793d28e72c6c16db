package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// shared returns the bank's documents where the Gateway grants team payments one host and one base, and team treasury another.
func shared(t *testing.T) *gateway.Documents {
	t.Helper()
	docs := bank(t)
	docs.Gateways[0].Allow = []gateway.Grant{
		{Team: "payments", Hosts: []string{"api.bank.test"}, Bases: []string{"/payments"}},
		{Team: "treasury", Hosts: []string{"api.bank.test", "*.treasury.test"}, Bases: []string{"/treasury", "/pay"}},
		{Team: "payments", Hosts: []string{"pay.bank.test"}},
	}
	return docs
}

// codes returns the codes of faults, and the fields that they name.
func codes(faults gateway.Faults) []string {
	var out []string
	for _, f := range faults {
		out = append(out, string(f.Code)+" "+f.Field)
	}
	return out
}

// TestGrants has team payments ask for what it may and may not have.
func TestGrants(t *testing.T) {
	for _, test := range []struct {
		name   string
		expose gateway.Exposure
		want   string // The field at fault; empty: granted.
	}{
		{"host and base", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/payments"}, ""},
		{"below the base", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/payments/cards"}, ""},
		{"every base of a host", gateway.Exposure{Hosts: []string{"pay.bank.test"}}, ""},
		{"another team's base", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/treasury"}, "expose[0].hosts[0]"},
		{"no segment's border", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/payments-eu"}, "expose[0].hosts[0]"},
		{"above the base", gateway.Exposure{Hosts: []string{"api.bank.test"}}, "expose[0].hosts[0]"},
		{"a beginning of the base", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/pay"}, "expose[0].hosts[0]"},
		{"in other letters", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/Payments"}, "expose[0].hosts[0]"},
		{"escaped letters", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/%70ayments"}, "expose[0].hosts[0]"},
		{"an escaped slash", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/payments%2f..%2ftreasury"}, "expose[0].hosts[0]"},
		{"a wildcard over the host", gateway.Exposure{Hosts: []string{"*.bank.test"}, Base: "/payments"}, "expose[0].hosts[0]"},
		{"every host by silence", gateway.Exposure{Base: "/payments"}, "expose[0]"},
		{"one host of two", gateway.Exposure{Hosts: []string{"api.bank.test", "www.bank.test"}, Base: "/payments"}, "expose[0].hosts[1]"},
		{"host of one grant, base of another", gateway.Exposure{Hosts: []string{"api.bank.test"}, Base: "/x"}, "expose[0].hosts[0]"},
		{"another team's wildcard", gateway.Exposure{Hosts: []string{"eu.treasury.test"}, Base: "/treasury"}, "expose[0].hosts[0]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			docs := shared(t)
			test.expose.Gateway = "edge"
			docs.APIs[0].Expose = []gateway.Exposure{test.expose}
			rev, faults := gateway.Assemble(docs, nil)
			var want []string
			if test.want != "" {
				want = []string{string(gateway.CodeNotGranted) + " " + test.want}
			}
			if got := codes(faults); !slices.Equal(got, want) {
				t.Fatalf("faults %v, want %v", faults, want)
			}
			if test.want != "" && (faults[0].Team != "payments" || len(rev.Routes) != 1) {
				t.Errorf("the fault is of team %q, and the routes are %v", faults[0].Team, names(rev))
			}
		})
	}
}

// TestRouteDocumentsAreGrantedToo has a team take all of the website's host by a Route document.
func TestRouteDocumentsAreGrantedToo(t *testing.T) {
	docs := shared(t)
	docs.APIs[1].Team = "payments"
	if _, faults := gateway.Assemble(docs, nil); !slices.Equal(codes(faults), []string{"GH214 expose[0].hosts[0]"}) {
		t.Fatalf("faults %v", faults)
	}
	docs.APIs[1].Team = ""
	if _, faults := gateway.Assemble(docs, nil); len(faults) > 0 {
		t.Errorf("the platform is refused: %v", faults)
	}
}

// TestNoOperationLeavesItsBase has operations try by template, prefix and regular expression to match below another base.
func TestNoOperationLeavesItsBase(t *testing.T) {
	docs := shared(t)
	var operations []gateway.Operation
	add := func(p gateway.Path, err error) {
		if err == nil { // What cannot be read cannot be meant.
			operations = append(operations, gateway.Operation{ID: "o" + strings.Repeat("x", len(operations)), Match: gateway.Match{Path: p}})
		}
	}
	for _, text := range []string{"/**", "/{a}", "/../treasury", "/%2e%2e/treasury", "/..%2ftreasury/**"} {
		add(gateway.ParsePath(text))
	}
	for _, text := range []string{"/.*", "/x|/treasury/.*", "/x)|(/treasury/.*", "(/x|/treasury/.*)", "/../treasury/.*", `/x\z|/treasury/.*`, "/(?:x)|/treasury"} {
		add(gateway.ParseRegexPath(text))
	}
	if len(operations) < 5 {
		t.Fatalf("only %d operations can be read", len(operations))
	}
	docs.APIs[0].Operations, docs.APIs[0].Expose[0].Hosts = operations, []string{"api.bank.test"}
	for _, r := range assemble(t, docs).Routes {
		if r.Object.Name != "payments" {
			continue
		}
		for _, path := range []string{"/treasury", "/treasury/x", "/payments-eu", "/", "/paymentsx"} {
			if r.Match.Path.Matches(path) {
				t.Errorf("%s (%s) matches %s", r.Name, r.Match.Path, path)
			}
		}
	}
}

// TestWhatIsNotGrantedHarmsNobody has one team claim exactly what another serves: only the claim is at fault, and quarantine
// gives it nothing, not even the 503 that would take the other's place.
func TestWhatIsNotGrantedHarmsNobody(t *testing.T) {
	docs := shared(t)
	stolen := *docs.APIs[0]
	stolen.Name, stolen.Team = "stolen", "treasury"
	docs.APIs = append(docs.APIs, &stolen)
	_, faults := gateway.Assemble(docs, nil)
	if len(faults) != 1 || faults[0].Code != gateway.CodeNotGranted || faults[0].Object.Name != "stolen" {
		t.Fatalf("faults %v", faults)
	}
	out, rest, done := gateway.Quarantine(docs, nil, faults)
	if len(rest) != 0 || len(done) != 1 || done[0].With != "nothing" {
		t.Fatalf("shared %v, done %v", rest, done)
	}
	for _, r := range assemble(t, out).Routes {
		if r.Object.Name == "stolen" {
			t.Errorf("%s is served", r.Name)
		}
	}
}

// TestAWithdrawnGrantIsWithdrawn takes the grant away from what is served: the last good version goes too.
func TestAWithdrawnGrantIsWithdrawn(t *testing.T) {
	live := assemble(t, shared(t))
	docs := shared(t)
	docs.Gateways[0].Allow = docs.Gateways[0].Allow[1:2]
	_, faults := gateway.Assemble(docs, nil)
	out, rest, done := gateway.Quarantine(docs, live, faults)
	if len(rest) != 0 || len(done) != 1 || done[0].With != "nothing" {
		t.Fatalf("shared %v, done %v", rest, done)
	}
	if rev := assemble(t, out); len(rev.Routes) != 1 {
		t.Errorf("routes %v", names(rev))
	}
}

// TestAGrantOfAnUnservedHostIsTheGateways grants a host that no listener serves.
func TestAGrantOfAnUnservedHostIsTheGateways(t *testing.T) {
	docs := shared(t)
	docs.Gateways[0].Listeners[0].Hosts = []string{"api.bank.test", "www.bank.test", "pay.bank.test"}
	_, faults := gateway.Assemble(docs, nil)
	if !slices.Equal(codes(faults), []string{"GH207 allow[1].hosts[1]"}) {
		t.Fatalf("faults %v", faults)
	}
	if _, rest, _ := gateway.Quarantine(docs, nil, faults); len(rest) != 1 {
		t.Errorf("shared faults %v", rest)
	}
}
