package gateway_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestUnprovable holds that what no caller could show is a fault where it is asked for.
func TestUnprovable(t *testing.T) {
	t.Parallel()
	token, certificate := gateway.Proof{JWT: "nordhaven"}, gateway.Proof{Certificate: &gateway.CertificateTest{}}
	claims := []gateway.Requirement{{Name: "north", Claims: []gateway.ClaimTest{{Name: "branch", Values: []string{"north"}}}}}
	for name, test := range map[string]struct {
		auth    gateway.Authenticate
		require []gateway.Requirement
		clients bool
		says    string // Part of the fault; empty: none.
	}{
		"claims of every caller's token":    {gateway.Authenticate{Any: []gateway.Proof{token}}, claims, false, ""},
		"claims of everybody":               {gateway.Authenticate{None: true}, claims, false, "the requirement north asks for claims"},
		"claims of who has a certificate":   {gateway.Authenticate{Any: []gateway.Proof{token, certificate}}, claims, true, "the requirement north asks for claims"},
		"certificates where nobody asks":    {gateway.Authenticate{Any: []gateway.Proof{certificate}}, nil, false, "asks for client certificates, and no listener"},
		"certificates":                      {gateway.Authenticate{Any: []gateway.Proof{certificate}}, nil, true, ""},
		"a bound token where nobody asks":   {gateway.Authenticate{Any: []gateway.Proof{{JWT: "nordhaven", Bound: true}}}, nil, false, "asks for client certificates"},
		"two tokens at once":                {gateway.Authenticate{Any: []gateway.Proof{{All: []gateway.Proof{token, token}}}}, nil, false, "asks for 2 tokens at once"},
		"a token and a certificate at once": {gateway.Authenticate{Any: []gateway.Proof{{All: []gateway.Proof{token, certificate}}}}, nil, true, ""},
	} {
		docs := bank(t)
		docs.APIs = docs.APIs[:1]
		docs.APIs[0].Operations, docs.APIs[0].Limits = docs.APIs[0].Operations[:1], nil
		if test.clients {
			docs.Certificates = []*gateway.Certificate{{Name: "bank"}}
			docs.Gateways[0].Listeners[0].TLS = &gateway.ListenerTLS{Certificates: []string{"bank"}, Clients: &gateway.ClientTLS{}}
		}
		docs.APIs[0].Authenticate, docs.APIs[0].Require = &test.auth, test.require
		_, faults := gateway.Assemble(docs, nil)
		switch {
		case test.says == "" && len(faults) == 0:
		case test.says == "" || len(faults) != 1 || faults[0].Code != gateway.CodeUnprovable || !strings.Contains(faults[0].Message, test.says):
			t.Errorf("%s: faults %v, want one that says %q", name, faults, test.says)
		}
	}
}
