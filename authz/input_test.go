package authz_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
)

// seen returns what a policy sees under an expression, as JSON; "undefined" where there is nothing.
func seen(tb testing.TB, check *authv3.CheckRequest, expressions ...string) []any {
	tb.Helper()
	service := newService(patient)
	var answers []any
	for _, expression := range expressions {
		rev := revision(publicRoute("r1", `package a
default allow := {"allowed": false, "body": "\"undefined\""}
allow := {"allowed": false, "body": json.marshal(`+expression+`)}`))
		service.Use(compiled(tb, rev, nil))
		response, err := service.Check(tb.Context(), check)
		if err != nil {
			tb.Fatal(err)
		}
		var answer any
		if err := json.Unmarshal([]byte(response.GetDeniedResponse().GetBody()), &answer); err != nil {
			tb.Fatalf("%s: %v in %v", expression, err, response)
		}
		answers = append(answers, answer)
	}
	return answers
}

// expected is the input that opa-envoy-plugin documents for a request without a body that it parses: the CheckRequest as
// protojson, and the parts parsed from its path.
func expected(t interface{ Fatal(...any) }, check *authv3.CheckRequest) map[string]any {
	text, err := protojson.Marshal(check)
	if err != nil {
		t.Fatal(err)
	}
	input := map[string]any{}
	if err := json.Unmarshal(text, &input); err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(check.GetAttributes().GetRequest().GetHttp().GetPath())
	if err != nil {
		t.Fatal(err)
	}
	var path []any
	for part := range strings.SplitSeq(strings.TrimLeft(parsed.Path, "/"), "/") {
		path = append(path, part)
	}
	query := map[string]any{}
	for name, values := range parsed.Query() {
		var list []any
		for _, v := range values {
			list = append(list, v)
		}
		query[name] = list
	}
	input["parsed_path"], input["parsed_query"] = path, query
	input["parsed_body"], input["truncated_body"] = nil, false
	input["version"] = map[string]any{"ext_authz": "v3", "encoding": "protojson"}
	if principal := check.GetAttributes().GetSource().GetPrincipal(); principal != "" {
		input["source_principal"] = principal
	}
	return input
}

// full is a CheckRequest in which every field is set.
func full(t *testing.T) *authv3.CheckRequest {
	t.Helper()
	check := envoyCheck(t, "r1", "GET", "/payments/alice%20b/lines?a=1&a=2&b=x+y&c", aliceClaims())
	typed, err := anypb.New(wrapperspb.String("typed"))
	if err != nil {
		t.Fatal(err)
	}
	a := check.Attributes
	a.Source.Service, a.Source.Principal, a.Source.Certificate = "web", "spiffe://bank.test/web", "-----BEGIN%20CERTIFICATE-----"
	a.Source.Labels = map[string]string{"zone": "a"}
	a.Destination.Address = &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/run/x.sock", Mode: 0o600}}}
	a.Request.Time = &timestamppb.Timestamp{Seconds: 1_790_000_000, Nanos: 5000}
	h := a.Request.Http
	h.Query, h.Fragment, h.Size, h.Body, h.RawBody = "q", "f", -1, "some text", []byte{0, 1, 0xff}
	h.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "x-raw", RawValue: []byte{0xff}}}}
	a.ContextExtensions["api"] = "payments"
	a.MetadataContext.TypedFilterMetadata = map[string]*anypb.Any{"t": typed}
	a.RouteMetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"gatehouse": {Fields: map[string]*structpb.Value{
		"big": structpb.NewNumberValue(1e30), "small": structpb.NewNumberValue(1e-9), "neg": structpb.NewNumberValue(-7),
		"half": structpb.NewNumberValue(0.5), "null": structpb.NewNullValue(), "yes": structpb.NewBoolValue(true),
		"list": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("x")}}),
	}}}}
	a.TlsSession = &authv3.AttributeContext_TLSSession{Sni: "api.bank.test"}
	return check
}

func TestInputIsWhatThePluginShows(t *testing.T) {
	internal := full(t)
	internal.Attributes.Source.Address = &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
		AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: "inner"}, EndpointId: "1",
	}}}
	named := full(t)
	named.Attributes.Source.Address.GetSocketAddress().PortSpecifier = &corev3.SocketAddress_NamedPort{NamedPort: "http"}
	named.Attributes.Source.Address.GetSocketAddress().Protocol = corev3.SocketAddress_UDP
	bare := checkOf("r1")
	bare.Attributes.Source = &authv3.AttributeContext_Peer{}
	bare.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{}}
	root := checkOf("r1")
	root.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Path: "/?"}}
	for name, check := range map[string]*authv3.CheckRequest{
		"full": full(t), "internal address": internal, "named port": named, "bare": bare, "root": root,
		"as Envoy sends it": envoyCheck(t, "r1", "POST", "/payments/alice", aliceClaims()),
		"nothing but rules": checkOf("r1"),
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := seen(t, check, "input")[0].(map[string]any)
			if _, ok := got["gatehouse"]; !ok {
				t.Error("input.gatehouse is missing")
			}
			delete(got, "gatehouse")
			if diff := cmp.Diff(expected(t, check), got); diff != "" {
				t.Errorf("input (-the plugin's +ours):\n%s", diff)
			}
		})
	}
}

// TestInputPartsAreThoseOfTheWhole reads single parts: each must be what stands in the whole input, though only that part
// is built for it.
func TestInputPartsAreThoseOfTheWhole(t *testing.T) {
	check := full(t)
	whole, _ := seen(t, check, "input")[0].(map[string]any)
	var paths []string
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		paths = append(paths, prefix)
		switch v := v.(type) {
		case map[string]any:
			for k, sub := range v {
				name, err := json.Marshal(k)
				if err != nil {
					t.Fatal(err)
				}
				walk(prefix+"["+string(name)+"]", sub)
			}
		}
	}
	walk("input", whole)
	if len(paths) < 80 {
		t.Fatalf("only %d parts", len(paths))
	}
	values := seen(t, check, paths...)
	var at func(v any, path string) any
	at = func(v any, path string) any {
		if path == "" {
			return v
		}
		name, rest, _ := strings.Cut(strings.TrimPrefix(path, `["`), `"]`)
		m, _ := v.(map[string]any)
		return at(m[name], rest)
	}
	for i, path := range paths {
		if diff := cmp.Diff(at(whole, strings.TrimPrefix(path, "input")), values[i]); diff != "" {
			t.Errorf("%s (-in the whole +alone):\n%s", path, diff)
		}
	}
}

func TestInputWaysToReadIt(t *testing.T) {
	check := full(t)
	for name, module := range map[string]string{
		"import":           "import input.attributes.request.http as h\nx := h.method",
		"local":            "x := y if { h := input.attributes.request; y := h.http.method }",
		"whole":            "x := y if { i := input; y := i.attributes.request.http.method }",
		"bracket":          `x := input["attributes"]["request"].http["method"]`,
		"computed":         `x := input.attributes[concat("", ["req", "uest"])].http.method`,
		"object.get":       `x := object.get(input, ["attributes", "request", "http", "method"], "")`,
		"iteration":        "x := y if { some k, v in input.attributes.request.http; k == \"method\"; y := v }",
		"walk":             "x := y if { walk(input, [p, y]); p == [\"attributes\", \"request\", \"http\", \"method\"] }",
		"function":         "x := f(input.attributes.request)\nf(r) := r.http.method",
		"nested reference": `x := {"GET": "GET"}[input.attributes.request.http.method]`,
		"reference inside": "names := {\"api.bank.test\": \"method\"}\nx := input.attributes.request.http[names[input.attributes.request.http.host]]",
		"comprehension":    "x := [m | m := input.attributes.request.http.method][0]",
		"else":             "x := 1 if false\nelse := input.attributes.request.http.method",
		"every":            "x := \"GET\" if every c in [\"G\", \"E\"] { contains(input.attributes.request.http.method, c) }",
		"with":             "z := input.replaced\nx := y if y := z with input.replaced as input.attributes.request.http.method",
		"with whole":       "z := input.replaced\nx := y if y := z with input as {\"replaced\": input.attributes.request.http.method}",
		"head":             "table[input.attributes.request.http.method] := \"GET\"\nx := table.GET",
		"string template":  `x := $"{input.attributes.request.http.method}"`,
		"partial rule":     "s contains input.attributes.request.http.method\nx := m if some m in s",
		"data key":         "x := y if { m := data.a.table[input.attributes.request.http.method]; y := m }\ntable := {\"GET\": \"GET\"}",
	} {
		t.Run(name, func(t *testing.T) {
			service := newService(patient)
			service.Use(compiled(t, revision(publicRoute("r1", "package a\n"+module+"\nallow := {\"allowed\": false, \"body\": x}")), nil))
			if status, body := ask(t, service, check); status != 403 || body != "GET" {
				t.Errorf("answered %d %s, want the method", status, body)
			}
		})
	}
}

func TestInputFromRandomRequests(t *testing.T) {
	service := newService(patient)
	service.Use(compiled(t, revision(publicRoute("r1", `package a
allow := {"allowed": false, "body": json.marshal(object.remove(input, ["gatehouse"]))}`)), nil))
	text := rapid.StringMatching(`[ -~äß€\t]{0,12}`)
	texts := rapid.MapOfN(text, text, 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		check := checkOf("r1")
		a := check.Attributes
		for k, v := range texts.Draw(t, "extensions") {
			if k != envoy.KeyRules {
				a.ContextExtensions[k] = v
			}
		}
		a.Source = &authv3.AttributeContext_Peer{Principal: text.Draw(t, "principal"), Labels: texts.Draw(t, "labels")}
		a.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: text.Draw(t, "method"), Headers: texts.Draw(t, "headers"), Size: rapid.Int64().Draw(t, "size"),
			Path: rapid.StringMatching(`/([a-z~.-]|%2F|%C3%A4|[a-z]/){0,9}(\?([a-c]=?([0-9+]|%20|&){0,4}){0,4})?`).Draw(t, "path"),
			Body: text.Draw(t, "body"), RawBody: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "raw"),
		}}
		claims := map[string]any{}
		for k, v := range texts.Draw(t, "claims") {
			claims[k] = []any{v, rapid.Float64Range(-1e25, 1e25).Draw(t, "number"), map[string]any{k: true}}
		}
		fields, err := structpb.NewStruct(claims)
		if err != nil {
			t.Fatal(err)
		}
		a.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{text.Draw(t, "namespace"): fields}}
		response := checked(t, service, check)
		var got map[string]any
		if err := json.Unmarshal([]byte(response.GetDeniedResponse().GetBody()), &got); err != nil {
			t.Fatal(err, response)
		}
		if diff := cmp.Diff(expected(t, check), got); diff != "" {
			t.Fatalf("input (-the plugin's +ours):\n%s", diff)
		}
	})
}

func checked(t *rapid.T, service *authz.Service, check *authv3.CheckRequest) *authv3.CheckResponse {
	response, err := service.Check(t.Context(), check)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func TestInputBody(t *testing.T) {
	const jsonType, formType = "application/json", "application/x-www-form-urlencoded"
	for _, test := range []struct {
		name, contentType, body, raw, length, partial string
		want                                          any
		truncated                                     bool
	}{
		{name: "none", want: nil},
		{name: "no type", body: "{}", want: nil},
		{name: "another type", contentType: "text/html", body: "{}", want: nil},
		{name: "empty", contentType: jsonType, want: nil},
		{name: "text", contentType: jsonType, body: `"foo"`, want: "foo"},
		{name: "null", contentType: jsonType, body: `null`, want: nil},
		{name: "number", contentType: jsonType, body: `42`, want: 42.0},
		{name: "object", contentType: jsonType + "; charset=utf-8", body: `{"a": [1, true], "b": {"c": "\u0041"}}`, want: map[string]any{
			"a": []any{1.0, true}, "b": map[string]any{"c": "A"},
		}},
		{name: "raw", contentType: jsonType, raw: `{"a": 1}`, want: map[string]any{"a": 1.0}},
		{name: "problem document", contentType: "application/problem+json", body: `{"a": 1}`, want: map[string]any{"a": 1.0}},
		{name: "upper case", contentType: "Application/JSON", body: `1`, want: 1.0},
		{name: "truncated", contentType: jsonType, body: `{"a`, length: "1000", want: nil, truncated: true},
		{name: "truncated, said by Envoy", contentType: jsonType, body: `{"a`, partial: "true", want: nil, truncated: true},
		{name: "whole, said by Envoy", contentType: jsonType, body: `1`, partial: "false", length: "1", want: 1.0},
		{name: "length unreadable", contentType: jsonType, body: `1`, length: "x", want: 1.0},
		{name: "form", contentType: formType, body: "a=1&b=x+y&a=%C3%A4&c", want: map[string]any{
			"a": []any{"1", "ä"}, "b": []any{"x y"}, "c": []any{""},
		}},
		{name: "form, raw", contentType: formType, raw: "a=1", want: map[string]any{"a": []any{"1"}}},
		{name: "form, truncated", contentType: formType, body: "a=1", length: "9", want: nil, truncated: true},
		{name: "gRPC", contentType: "application/grpc", raw: "\x00\x00\x00\x00\x00", want: nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			check := checkOf("r1")
			h := &authv3.AttributeContext_HttpRequest{Headers: map[string]string{}, Body: test.body, RawBody: []byte(test.raw)}
			for name, value := range map[string]string{
				"content-type": test.contentType, "content-length": test.length, "x-envoy-auth-partial-body": test.partial,
			} {
				if value != "" {
					h.Headers[name] = value
				}
			}
			check.Attributes.Request = &authv3.AttributeContext_Request{Http: h}
			got := seen(t, check, "input.parsed_body", "input.truncated_body")
			if diff := cmp.Diff([]any{test.want, test.truncated}, got); diff != "" {
				t.Errorf("parsed_body, truncated_body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInputQuery(t *testing.T) {
	check := checkOf("r1")
	check.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		Path: "//a//b?x=1;y=2&bad=%zz&z&&=v&q=a?b",
	}}
	want := []any{
		[]any{"a", "", "b"},
		map[string]any{"x": []any{"1;y=2"}, "z": []any{""}, "": []any{"v"}, "q": []any{"a?b"}},
	}
	if diff := cmp.Diff(want, seen(t, check, "input.parsed_path", "input.parsed_query")); diff != "" {
		t.Errorf("parsed_path, parsed_query (-want +got):\n%s", diff)
	}
}

func TestInputRawHeaders(t *testing.T) {
	check := checkOf("r1")
	check.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
			{Key: "x-a", RawValue: []byte("1")}, {Key: "x-a", RawValue: []byte("2")}, {Key: "x-b", Value: "v"}, {Key: "x-c", RawValue: []byte{'c', 0xff}},
		}},
	}}
	want := []any{map[string]any{"x-a": "1,2", "x-b": "v", "x-c": "c" + string(utf8.RuneError)}, "1,2"}
	if diff := cmp.Diff(want, seen(t, check, "input.attributes.request.http.headers", `input.attributes.request.http.headers["x-a"]`)); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestInputRawBody(t *testing.T) {
	check := checkOf("r1")
	check.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{RawBody: []byte{0xff, 0}}}
	want := []any{base64.StdEncoding.EncodeToString([]byte{0xff, 0})}
	if diff := cmp.Diff(want, seen(t, check, "input.attributes.request.http.rawBody")); diff != "" {
		t.Errorf("rawBody (-want +got):\n%s", diff)
	}
}
