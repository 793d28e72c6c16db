package explain

import (
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestCaller holds how is told who may call.
func TestCaller(t *testing.T) {
	t.Parallel()
	bank := &gateway.Issuer{Name: "nordhaven"}
	token := gateway.ResolvedProof{Kind: gateway.ByJWT, Issuer: bank, Scopes: []string{"pay"}, Claims: []gateway.ClaimTest{{Name: "role", Values: []string{"teller", "auditor"}}}}
	bound := gateway.ResolvedProof{Kind: gateway.ByJWT, Issuer: bank, Bound: true}
	certificate := gateway.ResolvedProof{Kind: gateway.ByCertificate, Certificate: &gateway.CertificateTest{DNS: []string{"till.bank.test"}}}
	for want, r := range map[string]gateway.Route{
		"anybody may call it":                             {Public: true},
		"anybody may call it, and must meet near and far": {Public: true, Require: []gateway.Requirement{{Name: "near"}, {Name: "far"}}},
		"the caller needs a token of nordhaven with scope pay with role teller or auditor or nordhaven bound to its certificate": {Ways: []gateway.Way{{token}, {bound}}},
		"the caller needs a client certificate of till.bank.test and a token of nordhaven bound to its certificate, or an API key": {Ways: []gateway.Way{
			{certificate, bound}, {{Kind: gateway.ByKey}},
		}},
		"the caller needs a client certificate, or a token that nordhaven is asked about, or nothing, and is guest": {Ways: []gateway.Way{
			{{Kind: gateway.ByCertificate, Certificate: &gateway.CertificateTest{}}}, {{Kind: gateway.ByIntrospection, Issuer: bank}}, {{Kind: gateway.ByNobody, Name: "guest"}},
		}},
	} {
		if got := caller(&r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
