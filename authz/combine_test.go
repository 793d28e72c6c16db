package authz_test

import (
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// enclosed is a public route whose API's policies stand between two of the Gateway.
func enclosed(before, own, after string) *gateway.Route {
	r := publicRoute("r1", before, own, after)
	r.Authorize[0].Platform, r.Authorize[2].Platform = true, true
	return r
}

// answer has a route decide about an empty request.
func answer(t *testing.T, r *gateway.Route) *authv3.CheckResponse {
	t.Helper()
	service := newService(patient)
	service.Use(compiled(t, revision(r), nil))
	response, err := service.Check(t.Context(), checkOf(r.Rules))
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func pairs(list []*corev3.HeaderValueOption) []string {
	var out []string
	for _, h := range list {
		out = append(out, h.GetHeader().GetKey()+"="+h.GetHeader().GetValue())
	}
	slices.Sort(out)
	return out
}

const allows = "package a\nallow := true"

// TestAnyDenialWins has each of three policies deny alone.
func TestAnyDenialWins(t *testing.T) {
	const denies = "package a\nallow := false"
	for name, r := range map[string]*gateway.Route{
		"the Gateway's before": enclosed(denies, allows, allows),
		"the API's":            enclosed(allows, denies, allows),
		"the Gateway's after":  enclosed(allows, allows, denies),
	} {
		if response := answer(t, r); response.GetDeniedResponse() == nil {
			t.Errorf("%s denies, and the request is allowed", name)
		}
	}
	if answer(t, enclosed(allows, allows, allows)).GetOkResponse() == nil {
		t.Error("all allow, and the request is denied")
	}
}

// TestWhatThePlatformSetsStays has a policy of an API set, remove and rewrite whatever the Gateway's policies set or removed,
// in other letters too.
func TestWhatThePlatformSetsStays(t *testing.T) {
	response := answer(t, enclosed(`package a
allow := {"allowed": true, "headers": {"x-tenant": "nordhaven"}, "request_headers_to_remove": ["x-debug"],
	"response_headers_to_add": {"x-frame-options": "DENY"}, "dynamic_metadata": {"tenant": "nordhaven"},
	"query_parameters_to_set": {"tenant": "nordhaven"}, "query_parameters_to_remove": ["debug"]}`, `package a
allow := {"allowed": true, "headers": {"X-Tenant": "other", "x-debug": "1", "x-level": "9", "x-own": "1"},
	"request_headers_to_remove": ["X-TENANT", "x-own-removed", "x-level"],
	"response_headers_to_add": {"X-Frame-Options": "ALLOW", "x-own": "1"}, "dynamic_metadata": {"tenant": "other", "own": 1},
	"query_parameters_to_set": {"tenant": "other", "debug": "1", "own": "1"}, "query_parameters_to_remove": ["tenant"]}`, `package a
allow := {"allowed": true, "headers": {"x-level": "1"}}`))
	ok := response.GetOkResponse()
	if got := pairs(ok.GetHeaders()); !slices.Equal(got, []string{"x-level=1", "x-own=1", "x-tenant=nordhaven"}) {
		t.Errorf("headers: %v", got)
	}
	if got := ok.GetHeadersToRemove(); !slices.Equal(got, []string{"x-own-removed", "x-debug"}) {
		t.Errorf("removed headers: %v", got)
	}
	if got := pairs(ok.GetResponseHeadersToAdd()); !slices.Equal(got, []string{"x-frame-options=DENY", "x-own=1"}) {
		t.Errorf("response headers: %v", got)
	}
	var query []string
	for _, q := range ok.GetQueryParametersToSet() {
		query = append(query, q.GetKey()+"="+q.GetValue())
	}
	if !slices.Equal(query, []string{"own=1", "tenant=nordhaven"}) || !slices.Equal(ok.GetQueryParametersToRemove(), []string{"debug"}) {
		t.Errorf("query: %v, removed %v", query, ok.GetQueryParametersToRemove())
	}
	fields := response.GetDynamicMetadata().GetFields()
	if fields["tenant"].GetStringValue() != "nordhaven" || fields["own"].GetNumberValue() != 1 {
		t.Errorf("metadata: %v", fields)
	}
}

// TestTheLaterOfOneSideCounts has two policies of an API change one header.
func TestTheLaterOfOneSideCounts(t *testing.T) {
	r := publicRoute("r1", `package a
allow := {"allowed": true, "headers": {"x-a": "1", "x-b": "1"}, "request_headers_to_remove": ["x-c"]}`, `package a
allow := {"allowed": true, "headers": {"x-a": "2", "x-c": "2"}, "request_headers_to_remove": ["x-b"]}`)
	ok := answer(t, r).GetOkResponse()
	if got := pairs(ok.GetHeaders()); !slices.Equal(got, []string{"x-a=2", "x-c=2"}) || !slices.Equal(ok.GetHeadersToRemove(), []string{"x-b"}) {
		t.Errorf("headers %v, removed %v", got, ok.GetHeadersToRemove())
	}
}

// TestNoPolicyRewritesWhatRoutes has policies set and remove pseudo-headers, the host, what Gatehouse tells and what frames a
// message: in an allowing answer, in a refusal, and as the evidence of the guard.
func TestNoPolicyRewritesWhatRoutes(t *testing.T) {
	const forged = `{":path": "/admin", ":method": "PUT", ":authority": "other.test", ":scheme": "https", ":status": "200", "host": "other.test",
	"Host": "other.test", "x-gatehouse-route": "x", "X-Gatehouse-Consumer": "root", "x-envoy-auth-failure-mode-allowed": "true",
	"transfer-encoding": "chunked", "Content-Length": "1", "connection": "close", "upgrade": "h2c", "a b": "1", "": "1", "x\r\ny": "1", "x-fine": "1"}`
	ok := answer(t, publicRoute("r1", "package a\nforged := "+forged+`
allow := {"allowed": true, "headers": forged, "response_headers_to_add": forged, "request_headers_to_remove": [name | forged[name]],
	"dynamic_metadata": {"`+envoy.MetadataAuthzRules+`": "r2"}}`))
	for what, got := range map[string][]string{
		"request": pairs(ok.GetOkResponse().GetHeaders()), "response": pairs(ok.GetOkResponse().GetResponseHeadersToAdd()),
	} {
		if !slices.Equal(got, []string{"x-fine=1"}) {
			t.Errorf("%s headers: %v", what, got)
		}
	}
	if got := ok.GetOkResponse().GetHeadersToRemove(); !slices.Equal(got, []string{"x-fine"}) {
		t.Errorf("removed headers: %v", got)
	}
	if got := ok.GetDynamicMetadata().GetFields()[envoy.MetadataAuthzRules].GetStringValue(); got != "r1" {
		t.Errorf("the evidence is %q", got)
	}
	denied := answer(t, publicRoute("r1", "package a\nforged := "+forged+`
allow := {"allowed": false, "headers": forged, "body": "", "dynamic_metadata": {"`+envoy.MetadataAuthzRules+`": "r1"}}`))
	if got := pairs(denied.GetDeniedResponse().GetHeaders()); !slices.Equal(got, []string{"x-fine=1"}) {
		t.Errorf("headers of the refusal: %v", got)
	}
	if _, ok := denied.GetDynamicMetadata().GetFields()[envoy.MetadataAuthzRules]; ok {
		t.Error("a refusal carries evidence")
	}
}

// TestQueryParametersStayParameters has a policy put into a query what would end the parameter, the query or the request line.
func TestQueryParametersStayParameters(t *testing.T) {
	ok := answer(t, publicRoute("r1", `package a
allow := {"allowed": true, "query_parameters_to_set": {"a&b=c": "1 HTTP/1.1\r\nhost: other.test\r\n\r\n", "user": "x&admin=1#y", "kept": "a%20b=c/é"},
	"query_parameters_to_remove": ["x y"]}`)).GetOkResponse()
	var got []string
	for _, q := range ok.GetQueryParametersToSet() {
		got = append(got, q.GetKey()+"="+q.GetValue())
	}
	want := []string{"a%26b%3Dc=1%20HTTP/1.1%0D%0Ahost:%20other.test%0D%0A%0D%0A", "kept=a%20b=c/%C3%A9", "user=x%26admin=1%23y"}
	if !slices.Equal(got, want) || strings.Join(ok.GetQueryParametersToRemove(), "") != "x%20y" {
		t.Errorf("query %q, removed %q", got, ok.GetQueryParametersToRemove())
	}
}
