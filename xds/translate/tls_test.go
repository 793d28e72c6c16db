package translate

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/gateway"
)

// edgeWith is a Gateway with one TLS listener.
func edgeWith(hosts []string, minimum gateway.TLSVersion, certificates ...string) *gateway.Gateway {
	return &gateway.Gateway{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{
		Name: "https", Address: "127.0.0.1", Port: 8443, Hosts: hosts, TLS: &gateway.ListenerTLS{Certificates: certificates, Minimum: minimum},
	}}}
}

// TestChainsStayAsTheyAre holds what keeps connections open: whatever happens to one certificate and its hosts, the filter chain
// of another is the same bytes, and so is its own, as long as the listener's settings are.
func TestChainsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	chains := func(g *gateway.Gateway, pairs map[string]gateway.KeyPair) map[string]string {
		out := map[string]string{}
		l := &g.Listeners[0]
		for _, c := range listener(g, l, l.Show(pairs)).GetFilterChains() {
			text, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			out[c.GetName()] = string(text)
		}
		return out
	}
	bank := gateway.KeyPair{Chain: []byte("1"), Hosts: []string{"api.bank.test"}}
	first := chains(edgeWith([]string{"api.bank.test"}, gateway.TLS12, "bank"), map[string]gateway.KeyPair{"bank": bank})["edge~https~bank"]
	t.Logf("a chain has %d bytes", len(first))
	wider := gateway.KeyPair{Chain: []byte("2"), Hosts: []string{"api.bank.test", "www.bank.test"}}
	shop := gateway.KeyPair{Chain: []byte("3"), Hosts: []string{"shop.test"}}
	for _, test := range []struct {
		name  string
		g     *gateway.Gateway
		pairs map[string]gateway.KeyPair
		same  bool
	}{
		{"another certificate comes", edgeWith([]string{"api.bank.test", "shop.test"}, gateway.TLS12, "shop", "bank"), map[string]gateway.KeyPair{"bank": bank, "shop": shop}, true},
		{"another host comes", edgeWith([]string{"api.bank.test", "www.bank.test"}, gateway.TLS12, "bank"), map[string]gateway.KeyPair{"bank": wider}, true},
		{"the certificate is replaced", edgeWith([]string{"api.bank.test"}, gateway.TLS12, "bank"), map[string]gateway.KeyPair{"bank": wider}, true},
		{"another version is asked for", edgeWith([]string{"api.bank.test"}, gateway.TLS13, "bank"), map[string]gateway.KeyPair{"bank": bank}, false},
	} {
		if got := chains(test.g, test.pairs)["edge~https~bank"]; (got == first) != test.same {
			t.Errorf("%s: the chain is the same: %t, want %t", test.name, got == first, test.same)
		}
	}
}

// TestNoCertificateNoListener holds that a listener without anything to show is left out, as Envoy refuses one without chains.
func TestNoCertificateNoListener(t *testing.T) {
	t.Parallel()
	rev := &gateway.Revision{
		Gateways:     []*gateway.Gateway{edgeWith([]string{"a.test"}, gateway.TLS12, "bank")},
		Certificates: []*gateway.Certificate{{Name: "bank"}, {Name: "unused"}},
	}
	res, faults := Fleet(rev, nil, "edge", nil)
	if len(faults)+len(res.Listeners)+len(res.Routes)+len(res.Certificates) > 0 {
		t.Errorf("faults %v, listeners %v, certificates %v", faults, res.Listeners, res.Certificates)
	}
	pair := gateway.KeyPair{Hosts: []string{"a.test"}}
	res, faults = Fleet(rev, &gateway.Observed{Certificates: map[string]gateway.KeyPair{"bank": pair, "unused": pair}}, "edge", nil)
	if len(faults) > 0 || len(res.Listeners) != 1 || len(res.Certificates) != 1 || res.Certificates[0].Name != "bank" {
		t.Errorf("faults %v, listeners %v, certificates %v", faults, res.Listeners, res.Certificates)
	}
}
