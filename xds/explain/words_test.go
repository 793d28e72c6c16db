package explain_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/explain"
)

// TestAnswerTellsTheWay holds everything that an answer says of a route with a token, a policy and a limit.
func TestAnswerTellsTheWay(t *testing.T) {
	t.Parallel()
	p, err := gateway.ParsePath("/{id}")
	if err != nil {
		t.Fatal(err)
	}
	rev, faults := gateway.Assemble(&gateway.Documents{
		Gateways: []*gateway.Gateway{{Name: "edge", Fleet: "fleet", Listeners: []gateway.Listener{{Name: "http", Address: "::1", Port: 8080, Hosts: []string{"*"}}}}},
		Upstreams: []*gateway.Upstream{
			{Name: "blue", Endpoints: []gateway.Endpoint{{Address: "127.0.0.1:9001"}, {Address: "unix:/run/blue.sock"}}}, {Name: "green"},
		},
		Issuers:  []*gateway.Issuer{{Name: "nordhaven", Issuer: "a"}, {Name: "suderbank", Issuer: "b"}},
		Policies: []*gateway.Policy{{Name: "owners", Source: "package owners"}},
		APIs: []*gateway.API{{
			Kind: gateway.KindAPI, Name: "payments", Version: "v1", Unlisted: gateway.Refuse,
			Expose: []gateway.Exposure{{Gateway: "edge", Base: "/payments"}},
			To:     []gateway.Destination{{Upstream: "blue", Weight: 90}, {Upstream: "green", Weight: 10}},
			Authenticate: &gateway.Authenticate{Any: []gateway.Proof{
				{JWT: "nordhaven"}, {JWT: "suderbank", Scopes: []string{"partner", "read"}},
			}},
			Authorize:  []gateway.Authorization{{Policy: "owners"}},
			Limits:     []gateway.Limit{{Name: "each", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 1}}}},
			Operations: []gateway.Operation{{ID: "read", Match: gateway.Match{Methods: []string{"GET"}, Path: p}, Field: "read"}},
		}},
	}, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := explain.Request(rev, explain.Query{Method: "get", URL: "http://api.bank.test:8080/payments/7"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Upstreams[0].Cluster, "blue~") || len(got.Rules) != 32 {
		t.Errorf("cluster %q, rules %q", got.Upstreams[0].Cluster, got.Rules)
	}
	got.Rules, got.Origin, got.Upstreams[0].Cluster, got.Upstreams[1].Cluster = "", "", "", ""
	want := explain.Answer{
		Fleet: "fleet", Gateway: "edge", Listener: "http ([::1]:8080)", VirtualHost: "edge~http/*", Route: "payments/v1/read", Action: "forward",
		Filters:  []string{"gatehouse.jwt", "gatehouse.authz.closed", "gatehouse.policy", "gatehouse.guard"},
		Hops:     []gateway.Hop{{Service: "authorization", Why: "policy owners; it spends limit each"}},
		Policies: []gateway.Judgement{{Policy: "owners", By: gateway.ByGatehouse}},
		Told:     explain.Told{Path: "/7"},
		Limits: []gateway.LimitTold{{
			Limit: "payments/v1/each", Counts: "for each token.sub", Windows: []string{"1 per 0s"}, Spent: "in the authorization call",
			Away: "without its store requests go on, and are counted as let through; without Gatehouse they get 503",
		}},
		Upstreams: []explain.Upstream{
			{Name: "blue", Weight: 90, Endpoints: []string{"127.0.0.1:9001", "unix:/run/blue.sock"}}, {Name: "green", Weight: 10},
		},
		Why: "/payments/{id} matches, and the caller needs a token of nordhaven or suderbank with scope partner read",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}

// TestAnswerTellsWhyNot holds what is said of requests that nothing takes, and of those that are no requests.
func TestAnswerTellsWhyNot(t *testing.T) {
	t.Parallel()
	rev := revision(t)
	for _, test := range []struct {
		query       explain.Query
		action, why string
		rejected    string // One reason why a route was passed over.
	}{
		{explain.Query{Method: "GET", URL: "http://api.bank.test:8080/else"}, "answer 404", "has no operation for this path", "path /else is not /pay/admin"},
		{explain.Query{Method: "GET", URL: "http://api.bank.test:8080/pay/x?action=read"}, "forward", "anybody may call it", "query parameter action is not as asked"},
		{explain.Query{Method: "GET", URL: "http://api.bank.test:9999/pay/x"}, "none", "no listener on port 9999; there is http on port 8080, inner on port 8081", ""},
		{explain.Query{Method: "GET", URL: "/pay/x", Fleet: "other"}, "none", "no Gateway has a listener", ""},
	} {
		got, err := explain.Request(rev, test.query)
		if err != nil {
			t.Errorf("%s: %v", test.query.URL, err)
			continue
		}
		if got.Action != test.action || !strings.Contains(got.Why, test.why) {
			t.Errorf("%s: action %q, because %q; want %q, because %q", test.query.URL, got.Action, got.Why, test.action, test.why)
		}
		reasons := ""
		for _, r := range got.Rejected {
			reasons += r.Why + "\n"
		}
		if !strings.Contains(reasons, test.rejected) {
			t.Errorf("%s: passed over because %q, want %q among them", test.query.URL, reasons, test.rejected)
		}
	}
	for _, url := range []string{"http://api.bank.test:port/", "://", "pay/x"} {
		if got, err := explain.Request(rev, explain.Query{Method: "GET", URL: url}); err == nil {
			t.Errorf("%q is explained: %+v", url, got)
		}
	}
}
