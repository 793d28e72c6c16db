package authz_test

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// reader is a route whose policies read everything of a request, and send what they read back.
func reader(tb testing.TB) *authz.Service {
	tb.Helper()
	path, err := gateway.ParsePath("/payments/{customer}/**")
	if err != nil {
		tb.Fatal(err)
	}
	open := publicRoute("open", `package a
allow := {"allowed": true, "headers": object.get(input, ["attributes", "request", "http", "headers"], {}), "dynamic_metadata": input}`,
		`package a
allow := {"allowed": false, "body": json.marshal(input), "reason": input.attributes.request.http.path, "headers": input.attributes.request.http.headers,
	"http_status": count(input.attributes.request.http.path), "dynamic_metadata": input}`)
	closed := publicRoute("closed", `package a
allow := {"allowed": true, "headers": {"x-sub": input.gatehouse.identity.subject}}`)
	closed.Public = false
	closed.Ways = []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Issuer: "https://id.bank.test"}, Scopes: []string{"a"}}}}
	open.Match.Path, closed.Match.Path = path, path
	service := newService(patient)
	service.Use(compiled(tb, revision(open, closed), nil))
	return service
}

// sound fails the test where an answer is not one that can be sent and that Envoy takes for an answer.
func sound(tb testing.TB, service *authz.Service, check *authv3.CheckRequest) {
	tb.Helper()
	response, err := service.Check(tb.Context(), check)
	if err != nil {
		tb.Fatalf("Check returned an error: %v", err)
	}
	if _, err := proto.Marshal(response); err != nil {
		tb.Fatalf("the answer cannot be sent: %v", err)
	}
	switch http := response.GetHttpResponse().(type) {
	case *authv3.CheckResponse_OkResponse:
		if response.GetStatus().GetCode() != 0 || response.GetDynamicMetadata().GetFields()[envoy.MetadataAuthzRules] == nil {
			tb.Fatalf("allowed without evidence: %v", response)
		}
	case *authv3.CheckResponse_DeniedResponse:
		code := http.DeniedResponse.GetStatus().GetCode()
		if _, known := typev3.StatusCode_name[int32(code)]; !known || code < 200 || response.GetStatus().GetCode() == 0 {
			tb.Fatalf("a refusal that Envoy does not understand: %v", response)
		}
		if response.GetDynamicMetadata().GetFields()[envoy.MetadataAuthzRules] != nil {
			tb.Fatalf("a refusal with evidence: %v", response)
		}
	default:
		tb.Fatalf("no answer: %v", response)
	}
	if n := service.Counts().Panics; n != 0 {
		tb.Fatalf("%d panics", n)
	}
}

func TestHostileRequests(t *testing.T) {
	service := reader(t)
	big := strings.Repeat("x", 1<<20)
	many := map[string]string{"content-type": "application/json"}
	for i := range 2000 {
		many["x-"+strings.Repeat("a", i%60)+string(rune('a'+i%26))] = strings.Repeat("v", 32)
	}
	http := func(h *authv3.AttributeContext_HttpRequest) *authv3.CheckRequest {
		check := checkOf("open")
		check.Attributes.Request = &authv3.AttributeContext_Request{Http: h}
		return check
	}
	claims := func(v *structpb.Value) *authv3.CheckRequest {
		check := checkOf("closed")
		check.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
			envoy.MetadataJWT: {Fields: map[string]*structpb.Value{envoy.MetadataJWTClaims: v}},
		}}
		return check
	}
	deep := structpb.NewStringValue("deep")
	for range 200 {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep, nil}})
	}
	for name, check := range map[string]*authv3.CheckRequest{
		"nil":           nil,
		"no attributes": {},
		"no request":    checkOf("open"),
		"no http":       {Attributes: &authv3.AttributeContext{ContextExtensions: checkOf("open").Attributes.ContextExtensions, Request: &authv3.AttributeContext_Request{}}},
		"nil peers":     {Attributes: &authv3.AttributeContext{ContextExtensions: checkOf("open").Attributes.ContextExtensions, Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{}}}},
		"empty http":    http(&authv3.AttributeContext_HttpRequest{}),
		"invalid UTF-8": http(&authv3.AttributeContext_HttpRequest{
			Path: "/\xff/\xfe?\xff=\xff", Method: "\xff", Headers: map[string]string{"\xff": "\xff", "content-type": "\xff"}, Body: "\xff",
		}),
		"percent":        http(&authv3.AttributeContext_HttpRequest{Path: "/%ff/%00?%ff=%00"}),
		"long path":      http(&authv3.AttributeContext_HttpRequest{Path: "/" + strings.Repeat("a/", 1<<16)}),
		"huge header":    http(&authv3.AttributeContext_HttpRequest{Path: "/payments/a/b", Headers: map[string]string{"x": big}}),
		"many headers":   http(&authv3.AttributeContext_HttpRequest{Path: "/payments/a/b", Headers: many, Body: "{}"}),
		"huge body":      http(&authv3.AttributeContext_HttpRequest{Headers: map[string]string{"content-type": "application/json"}, Body: `"` + big + `"`}),
		"deep body":      http(&authv3.AttributeContext_HttpRequest{Headers: map[string]string{"content-type": "application/json"}, Body: strings.Repeat("[", 5000) + strings.Repeat("]", 5000)}),
		"endless body":   http(&authv3.AttributeContext_HttpRequest{Headers: map[string]string{"content-type": "application/json"}, Body: strings.Repeat("[", 100000)}),
		"nil headers":    http(&authv3.AttributeContext_HttpRequest{HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{nil, {}}}}),
		"claims nil":     claims(nil),
		"claims no kind": claims(&structpb.Value{}),
		"claims a list":  claims(structpb.NewListValue(nil)),
		"claims nil map": claims(structpb.NewStructValue(nil)),
		"claims of nils": claims(structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"iss": nil, "scope": nil, "scp": nil}})),
		"subject with line feed": claims(structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"iss": structpb.NewStringValue("https://id.bank.test"), "scope": structpb.NewStringValue("a"), "sub": structpb.NewStringValue("a\r\nx-admin: 1"),
		}})),
		"scopes deep": claims(structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"iss": structpb.NewStringValue("https://id.bank.test"), "scope": deep, "scp": structpb.NewStringValue("a"), "sub": deep,
		}})),
	} {
		t.Run(name, func(t *testing.T) { sound(t, service, check) })
	}
}

// FuzzCheck sends CheckRequests as bytes of the wire, as an Envoy, or whoever speaks in its place, would.
func FuzzCheck(f *testing.F) {
	service := reader(f)
	seed := func(check *authv3.CheckRequest) {
		wire, err := proto.Marshal(check)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	seed(&authv3.CheckRequest{})
	seed(checkOf("open"))
	seed(envoyCheck(f, "open", "GET", "/payments/alice/x?limit=10&a=%20", aliceClaims()))
	seed(envoyCheck(f, "closed", "POST", "/payments/%zz/", map[string]any{"iss": "https://id.bank.test", "scp": []any{"a", 1}}))
	body := envoyCheck(f, "open", "POST", "/payments/a", nil)
	body.Attributes.Request.Http.Headers["content-type"] = "application/json"
	body.Attributes.Request.Http.Body = `{"a": [1, 2.5e3, null, "x"]}`
	seed(body)
	f.Fuzz(func(t *testing.T, wire []byte) {
		check := &authv3.CheckRequest{}
		if proto.Unmarshal(wire, check) != nil {
			t.Skip("gRPC answers this before it comes here")
		}
		sound(t, service, check)
	})
}
