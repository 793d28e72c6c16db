package explain_test

import (
	"net/http"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/explain"
)

// revision returns one Gateway that serves api.bank.test, with operations that differ in path, query and header.
func revision(t *testing.T) *gateway.Revision {
	t.Helper()
	operation := func(id, path string, query, headers []gateway.Condition) gateway.Operation {
		p, err := gateway.ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		return gateway.Operation{ID: id, Match: gateway.Match{Path: p, Query: query, Headers: headers}, Field: id}
	}
	rev, faults := gateway.Assemble(&gateway.Documents{
		Gateways: []*gateway.Gateway{{
			Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{
				{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"api.bank.test"}},
				{Name: "inner", Address: "127.0.0.1", Port: 8081, Hosts: []string{"*"}},
			},
		}},
		Upstreams: []*gateway.Upstream{{Name: "bank"}},
		APIs: []*gateway.API{{
			Kind: gateway.KindAPI, Name: "bank", Version: "v1", Unlisted: gateway.Refuse,
			Expose: []gateway.Exposure{{Gateway: "edge"}}, To: []gateway.Destination{{Upstream: "bank", Weight: 1}},
			Authenticate: &gateway.Authenticate{None: true},
			Operations: []gateway.Operation{
				operation("any", "/pay/{id}", nil, nil),
				operation("admin", "/pay/admin", nil, nil),
				operation("delete", "/pay/{id}", []gateway.Condition{{Name: "action", Value: "delete"}}, nil),
				operation("beta", "/pay/{id}", nil, []gateway.Condition{{Name: "x-beta", Value: "1"}}),
			},
		}},
	}, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return rev
}

// TestExplainReadsAsEnvoyDoes spells requests in ways that Envoy reads otherwise than net/url; what is expected was seen on
// Envoy 1.40.0.
func TestExplainReadsAsEnvoyDoes(t *testing.T) {
	rev := revision(t)
	for _, test := range []struct {
		url     string
		headers http.Header
		want    string // A route, or the action.
	}{
		{"/pay/admin", nil, "bank/v1/admin"},
		{"/pay/%61dmin", nil, "bank/v1/admin"},
		{"/pay//admin", nil, "bank/v1/admin"},
		{"/pay/x/../admin", nil, "bank/v1/admin"},
		{"/pay/x/%2E%2e/admin", nil, "bank/v1/admin"},
		{"/../pay/./admin", nil, "bank/v1/admin"},
		{"/pay/x/..;a=b/admin", nil, "bank/v1/admin"},
		{"/pay\\admin", nil, "bank/v1/admin"},
		{"/pay/admin%3A", nil, "bank/v1/any"},
		{"/pay/x%2fadmin", nil, "answer 400"},
		{"/pay/x/..", nil, "bank/v1/unlisted"},
		{"/pay/x?action=delete", nil, "bank/v1/delete"},
		{"/pay/x?action=dele%74e", nil, "bank/v1/any"},
		{"/pay/x?action=read&action=delete", nil, "bank/v1/any"},
		{"/pay/x", http.Header{"X-Beta": {"1"}}, "bank/v1/beta"},
		{"/pay/x", http.Header{"X-Beta": {"1", "2"}}, "bank/v1/beta"},
		{"http://other.test:8080/pay/x", nil, "answer 404"},
		{"http://other.test:8081/pay/x", nil, "bank/v1/any"},
	} {
		if test.headers == nil {
			test.headers = http.Header{}
		}
		if test.url[0] == '/' {
			test.url = "http://api.bank.test:8080" + test.url
		}
		a, err := explain.Request(rev, explain.Query{Method: "GET", URL: test.url, Headers: test.headers})
		if err != nil {
			t.Fatalf("%s: %v", test.url, err)
		}
		if got := a.Route; got != test.want && a.Action != test.want {
			t.Errorf("%s %v: route %q, action %q, want %q: %s", test.url, test.headers, got, a.Action, test.want, a.Why)
		}
	}
}
