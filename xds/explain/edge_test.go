package explain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/explain"
)

// TestAnswerTellsTheListener holds what is said of a listener whose document says something, and where connections lead that are
// passed on.
func TestAnswerTellsTheListener(t *testing.T) {
	t.Parallel()
	tls := &gateway.ListenerTLS{
		Certificates: []string{"bank"}, Minimum: gateway.TLS12, Ciphers: []string{"A"}, Curves: []string{"X25519"},
		HSTS: &gateway.HSTS{Days: 1, Subdomains: true}, Clients: &gateway.ClientTLS{Required: true, Revoked: []byte("x")},
	}
	stream := func(name string, spoken gateway.Spoken, listener string, hosts ...string) *gateway.API {
		return &gateway.API{
			Kind: gateway.KindRoute, Name: name, Speaks: spoken, To: []gateway.Destination{{Upstream: "ledger", Weight: 1}},
			Expose: []gateway.Exposure{{Gateway: "edge", Listener: listener, Hosts: hosts}}, Passing: gateway.Passing{Idle: time.Hour, Attempts: 2},
		}
	}
	rev, faults := gateway.Assemble(&gateway.Documents{
		Certificates: []*gateway.Certificate{{Name: "bank"}},
		Gateways: []*gateway.Gateway{{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{
			{Name: "https", Port: 8443, Hosts: []string{"*"}, TLS: tls, Bounds: gateway.Bounds{Connections: 5, Idle: time.Minute}},
			{Name: "secure", Port: 9443, Speaks: gateway.SpeaksTLS, Names: []string{"*"}},
			{Name: "database", Port: 5432, Speaks: gateway.SpeaksTCP},
			{Name: "spare", Port: 5433, Speaks: gateway.SpeaksTCP},
		}}},
		Upstreams: []*gateway.Upstream{{Name: "ledger"}},
		APIs: []*gateway.API{
			{
				Kind: gateway.KindRoute, Name: "site", Unlisted: gateway.Forward, Expose: []gateway.Exposure{{Gateway: "edge"}},
				To: []gateway.Destination{{Upstream: "ledger", Weight: 1}}, Authenticate: &gateway.Authenticate{None: true}, Upgrades: []string{"websocket"},
				Operations: []gateway.Operation{{ID: "site", Match: gateway.Match{Path: gateway.Path{Prefix: true}}, Field: "match"}},
			},
			stream("wide", gateway.SpeaksTLS, "secure", "*.bank.test"), stream("own", gateway.SpeaksTLS, "secure", "a.bank.test"),
			stream("database", gateway.SpeaksTCP, "database"),
		},
	}, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for url, want := range map[string]struct{ action, route, says string }{
		"https://any.test:8443/x":     {"forward", "route/site", "TLS 1.2 or later, certificates bank; ciphers of TLS 1.2: A; curves: X25519; every answer has strict-transport-security: max-age=86400; includeSubDomains; clients must show a certificate, which must not be revoked; at most 5 connections on an Envoy; a connection without a request ends after 1m0s"},
		"/x":                          {"forward", "route/site", "TLS 1.2 or later"},
		"https://a.bank.test:9443/":   {"pass on", "route/own", "a connection on which nothing moves ends after 1h0m0s; endpoints tried for a connection: 2"},
		"https://b.a.bank.test:9443/": {"pass on", "route/wide", ""},
		"https://other.test:9443/":    {"close the connection", "", ""},
		"tcp://any.test:5432/":        {"pass on", "route/database", ""},
		"tcp://any.test:5433/":        {"close the connection", "", ""},
	} {
		got, err := explain.Request(rev, explain.Query{Method: "GET", URL: url})
		if err != nil || got.Action != want.action || got.Route != want.route || !strings.HasPrefix(strings.Join(got.Listens, "; "), want.says) {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
		if upgrades := want.route == "route/site"; upgrades != slices.Equal(got.Upgrades, []string{"websocket"}) {
			t.Errorf("%s: upgrades %q", url, got.Upgrades)
		}
	}
}
