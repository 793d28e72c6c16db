package authz_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// patient is a limit that a test never meets, however busy the machine.
const patient = time.Minute

func newService(limit time.Duration) *authz.Service {
	return authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: limit})
}

// newServiceWith returns a service with these options.
func newServiceWith(o authz.Options) *authz.Service {
	o.Logger = slog.New(slog.DiscardHandler)
	return authz.New(o)
}

// quickstart is the route of the quickstart's API that reads or makes a payment of a customer.
func quickstart(tb testing.TB) *gateway.Revision {
	tb.Helper()
	source, err := os.ReadFile("../examples/quickstart/policies/payments.rego")
	if err != nil {
		tb.Fatal(err)
	}
	policy := &gateway.Policy{Name: "bank.payments", Source: string(source), File: "payments.rego", Line: 1}
	path, err := gateway.ParsePath("/payments/{customer}")
	if err != nil {
		tb.Fatal(err)
	}
	issuer := &gateway.Issuer{Name: "nordhaven", Issuer: "https://id.nordhaven.test"}
	return revision(&gateway.Route{
		Name: "payments/v1/listPayments", API: "payments", Version: "v1", Operation: "listPayments",
		Action: gateway.ActionForward, Match: gateway.Match{Path: path},
		Ways:      []gateway.Way{{{Kind: gateway.ByJWT, Issuer: issuer}}},
		Authorize: []gateway.AppliedPolicy{{Policy: policy, Parameters: map[string]any{"teller": "teller"}}},
		Rules:     "5f0c2a4be7d94a1c8c3a9c1f2b6d7e80",
	})
}

// revision is the least that Compile needs.
func revision(routes ...*gateway.Route) *gateway.Revision {
	rev := &gateway.Revision{Routes: routes}
	for _, r := range routes {
		for _, a := range r.Authorize {
			rev.Policies = append(rev.Policies, a.Policy)
		}
	}
	return rev
}

// compiled is the table of a revision without faults.
func compiled(tb testing.TB, rev *gateway.Revision, prev *authz.Table) *authz.Table {
	tb.Helper()
	table, faults := authz.Compile(rev, prev)
	if len(faults) > 0 {
		tb.Fatal(gateway.Faults(faults))
	}
	return table
}

// envoyCheck is a CheckRequest as Envoy 1.40 sends it for a browser's request with a token, whose claims are given.
func envoyCheck(tb testing.TB, rules, method, path string, claims map[string]any) *authv3.CheckRequest {
	tb.Helper()
	fields, err := structpb.NewStruct(claims)
	if err != nil {
		tb.Fatal(err)
	}
	metadata := &structpb.Struct{Fields: map[string]*structpb.Value{envoy.MetadataJWTClaims: structpb.NewStructValue(fields)}}
	peer := func(port uint32) *authv3.AttributeContext_Peer {
		return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}},
		}}}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: peer(49152), Destination: peer(8080),
		Request: &authv3.AttributeContext_Request{
			Time: timestamppb.New(time.Unix(1_790_000_000, 123_000_000)),
			Http: &authv3.AttributeContext_HttpRequest{
				Id: "17238437238473298", Method: method, Path: path, Host: "api.bank.test", Scheme: "http", Protocol: "HTTP/1.1",
				Headers: map[string]string{
					":authority": "api.bank.test", ":method": method, ":path": path, ":scheme": "http",
					"accept": "*/*", "accept-encoding": "gzip, br", "accept-language": "de-CH,de;q=0.9,en;q=0.8",
					"authorization": "Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl",
					"user-agent":    "curl/8.14.1", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http",
					"x-request-id": "6d7a5e9f-6b8c-4a53-9a15-8bd8e0f2d7a1",
				},
			},
		},
		ContextExtensions: map[string]string{envoy.KeyRules: rules},
		MetadataContext:   &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{envoy.MetadataJWT: metadata}},
	}}
}

func aliceClaims() map[string]any {
	return map[string]any{
		"iss": "https://id.nordhaven.test", "sub": "alice", "aud": "payments", "exp": 1_790_003_600, "iat": 1_790_000_000,
		"scope": "openid payments:read", "role": "customer", "name": "Alice Example",
	}
}

// manyRoutes is a revision of routes each of which applies a policy of its own.
func manyRoutes(n int) *gateway.Revision {
	routes := make([]*gateway.Route, n)
	for i := range routes {
		routes[i] = publicRoute(fmt.Sprint("r", i), fmt.Sprintf("package bank.a%d\nallow if input.attributes.request.http.method == \"M%d\"", i, i))
	}
	return revision(routes...)
}
