package authz_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// byHeader chooses the rules by a header of the test's request: in the product the route says them.
type byHeader struct{ *authz.Service }

// Check puts the rules where a route would have put them.
func (b byHeader) Check(ctx context.Context, check *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	check.Attributes.ContextExtensions = map[string]string{envoy.KeyRules: check.GetAttributes().GetRequest().GetHttp().GetHeaders()["x-test-rules"]}
	return b.Service.Check(ctx, check)
}

// serve answers on a Unix socket until the test ends.
func serve(t *testing.T, service authv3.AuthorizationServer, socket string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, service)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// edge starts an Envoy that asks the service, and returns a client for it.
func edge(t *testing.T, service *authz.Service) *http.Client {
	t.Helper()
	binary, dir := needs.Envoy(t), needs.SocketDir(t)
	serve(t, byHeader{service}, filepath.Join(dir, "authz.sock"))
	template, err := os.ReadFile("testdata/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	start := envoy.Start{
		Binary: binary, Bootstrap: filepath.Join(dir, "envoy.yaml"), Admin: filepath.Join(dir, "admin.sock"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if err := os.WriteFile(start.Bootstrap, []byte(strings.ReplaceAll(string(template), "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	child, err := envoy.Launch(context.WithoutCancel(t.Context()), start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Stop(context.WithoutCancel(t.Context()), 0) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := child.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "edge.sock"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// TestEnvoy asks by way of a real Envoy, which checks every change an answer makes (validate_mutations) and answers 502 to
// what it takes for an error.
func TestEnvoy(t *testing.T) {
	path, err := gateway.ParsePath("/payments/{customer}")
	if err != nil {
		t.Fatal(err)
	}
	closed := publicRoute("closed", "package a\nallow if input.gatehouse.identity.subject == input.gatehouse.path.customer")
	closed.Match.Path, closed.Public = path, false
	closed.Ways = []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Issuer: "https://id.bank.test"}}}}
	scoped := publicRoute("scoped", "package a\nallow := true")
	scoped.Public, scoped.Ways = false, []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Issuer: "https://id.bank.test"}, Scopes: []string{"admin"}}}}
	service := newService(patient)
	service.Use(compiled(t, revision(closed, scoped,
		publicRoute("headers", `package a
allow := {"allowed": true, "headers": {"x-user": "alice", "host": "evil.test", ":path": "/admin", "bad name": "x"}, "response_headers_to_add": {"x-added": "1"},
	"request_headers_to_remove": ["cookie", ":method"], "query_parameters_to_set": {"limit": "10"}, "query_parameters_to_remove": ["debug"]}`),
		publicRoute("append", `package a
allow := {"allowed": true, "append": {"x-user": "alice"}}`),
		publicRoute("cookies", `package a
allow := {"allowed": false, "append": {"set-cookie": ["a=1", "b=2"]}}`),
		publicRoute("body", `package a
allow := {"allowed": false, "http_status": 429, "headers": {"content-type": "text/plain", "x-policy": "yes"}, "body": "slow down\n"}`),
		publicRoute("reason", "package a\nallow := {\"allowed\": false, \"reason\": \"not-now\"}"),
		publicRoute("teapot", "package a\nallow := {\"allowed\": false, \"http_status\": 418}"),
		publicRoute("login", "package a\nallow := {\"allowed\": false, \"http_status\": 302, \"headers\": {\"location\": \"https://login.bank.test/\"}}"),
		publicRoute("garbage", "package a\nallow := {\"allowed\": false, \"body\": base64.decode(\"/w==\"), \"headers\": {\"x-bad\": \"a\\nb\"}}"),
		publicRoute("amount", "package a\nallow if input.parsed_body.amount < 100\nallow := {\"allowed\": false, \"reason\": \"truncated\"} if input.truncated_body"),
	), nil))
	client := edge(t, service)
	problem := map[string]string{"Content-Type": gateway.ProblemType}
	for _, test := range []struct {
		rules, path, body string
		grpc              bool
		status            int
		want              string // In the body.
		headers           map[string]string
	}{
		{rules: "closed", path: "/payments/alice", status: 200, want: "through", headers: map[string]string{"X-Rules": "closed"}},
		{rules: "closed", path: "/x/../payments/%61lice?a=1", status: 200, want: "through"},
		{rules: "closed", path: "/payments/bob", status: 403, want: `"code":"policy-denied"`, headers: problem},
		{rules: "scoped", status: 403, want: `"code":"forbidden"`, headers: map[string]string{
			"Www-Authenticate": `Bearer realm="payments", error="insufficient_scope", scope="admin"`,
		}},
		{rules: "headers", path: "/a?debug=1&x=y", status: 200, headers: map[string]string{
			"X-Saw-User": "alice", "X-Saw-Cookie": "", "X-Added": "1", "X-Saw-Path": "/a?limit=10&x=y",
		}},
		{rules: "append", status: 200, headers: map[string]string{"X-Saw-User": "mallory,alice"}},
		{rules: "cookies", status: 403, headers: map[string]string{"Set-Cookie": "a=1"}, want: "denied"},
		{rules: "body", status: 429, want: "slow down\n", headers: map[string]string{"Content-Type": "text/plain", "X-Policy": "yes"}},
		{rules: "reason", status: 403, want: `"reason":"not-now"`, headers: problem},
		{rules: "reason", grpc: true, status: 200, headers: map[string]string{"Grpc-Status": "7", "Grpc-Message": "A policy denied the request. (not-now)"}},
		{rules: "teapot", status: 403, want: `"status":403`, headers: problem},
		{rules: "login", status: 302, headers: map[string]string{"Location": "https://login.bank.test/"}},
		{rules: "garbage", status: 403, want: "\uFFFD"},
		{rules: "amount", body: `{"amount": 7}`, status: 200, want: "through"},
		{rules: "amount", body: `{"amount": 7`, status: 400, want: "bad-request", headers: problem},
		{rules: "amount", body: `{"amount": 7, "note": "` + strings.Repeat("x", 200) + `"}`, status: 403, want: "truncated"},
		{rules: "nobody's", status: 503, want: "rules-unknown", headers: map[string]string{"Retry-After": "1"}},
	} {
		t.Run(test.rules+test.path, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api.bank.test"+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{
				"x-test-rules": test.rules, "content-type": "application/json", "x-user": "mallory", "cookie": "a=1",
			} {
				request.Header.Set(name, value)
			}
			if test.grpc {
				request.Header.Set("content-type", "application/grpc")
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status || !strings.Contains(string(body), test.want) {
				t.Errorf("answered %d %s %v, want %d %s", response.StatusCode, body, response.Header, test.status, test.want)
			}
			if got := len(response.Header.Values("Set-Cookie")); test.rules == "cookies" && got != 2 {
				t.Errorf("got %d cookies", got)
			}
			for name, want := range test.headers {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}
