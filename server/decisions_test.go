package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// loggingDocuments record decisions with their input, as a mask and a drop policy say.
const loggingDocuments = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
decisions: {input: true, mask: log.mask, drop: log.drop, sample: 100}
---
kind: Upstream
name: web
endpoints: [{address: "127.0.0.1:9001"}]
---
kind: API
name: web
version: v1
expose: [{gateway: edge, base: /web}]
authenticate: none
authorize: [closed]
to: web
operations: [{id: get, path: "/{page}"}]
---
kind: API
name: open
version: v1
expose: [{gateway: edge, base: /open}]
authenticate: none
to: web
operations: [{id: get, path: "/x"}]
---
kind: Policy
name: closed
rego: |
  package closed
  allow := {"allowed": false, "reason": concat(" ", ["closed for", input.attributes.request.http.headers["x-name"]])}
---
kind: Policy
name: log.mask
entry: system/log/mask
rego: |
  package system.log
  mask contains "/input/attributes/request/http/headers/x-name"
  mask contains {"op": "upsert", "path": "/result/reason", "value": "closed"} if input.path == "closed"
  mask contains "/no/such/place" if startswith(input.path_of_request, "/web/broken")
---
kind: Policy
name: log.drop
entry: system/log/drop
rego: |
  package system.log
  default drop := false
  drop if startswith(input.path_of_request, "/web/quiet")
`

// memoryLines keeps what a log writes.
type memoryLines struct{ bytes.Buffer }

// Close does nothing.
func (*memoryLines) Close() error { return nil }

// checkOnce sends a server a Check of an Envoy.
func checkOnce(t *testing.T, s *server.Server, rules, path, request string) *authv3.CheckResponse {
	t.Helper()
	conn, err := grpc.NewClient(s.Addrs().Authz, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx := metadata.AppendToOutgoingContext(t.Context(), envoy.HeaderNode, "edge/edge-1")
	answer, err := authv3.NewAuthorizationClient(conn).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{envoy.KeyRules: rules},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: path, Headers: map[string]string{"x-request-id": request, "x-name": "Alice Example", "cookie": "session=1"},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// rulesOf returns the rules of an operation, as the live configuration has them.
func rulesOf(t *testing.T, s *server.Server, url string) string {
	t.Helper()
	answer, err := client(t, s).Explain(t.Context(), admin.Query{Method: "GET", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Rules
}

// TestMaskAndDropPolicies has decisions recorded as OPA's policies say.
func TestMaskAndDropPolicies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "all.yaml", loggingDocuments)
	lines := &memoryLines{}
	s := start(t, server.Options{Config: dir, State: needs.SocketDir(t), Decisions: server.DecisionLog{Lines: lines}})
	rules := rulesOf(t, s, "http://bank.test:8080/web/x")
	for _, path := range []string{"/web/quiet", "/web/broken", "/web/x"} {
		checkOnce(t, s, rules, path, "r"+strings.ReplaceAll(path, "/", "-"))
	}
	checkOnce(t, s, "unknown", "/web/x", "r-unknown")
	var found admin.DecisionsOfRequest
	eventually(t, "a record", func() bool {
		var err error
		found, err = client(t, s).DecisionsOf(t.Context(), "r-unknown")
		return err == nil
	})
	if d := found.Decisions[0]; d.Code != gateway.ProblemRulesUnknown || !strings.Contains(found.Why[len(found.Why)-3].Text, "does not know the rules") {
		t.Errorf("unknown rules: %+v, %+v", d, found.Why)
	}
	stop(t, s)
	var all []gateway.Decision
	for line := range bytes.Lines(lines.Bytes()) {
		var d gateway.Decision
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		if d.RequestID != "r-unknown" {
			all = append(all, d)
		}
	}
	if len(all) != 1 || all[0].Path != "/web/x" {
		t.Fatalf("%d records, want that of /web/x alone: one is dropped, one cannot be masked\n%s", len(all), lines)
	}
	d := all[0]
	if d.Reason != "closed" || !slices.Contains(d.Masked, "/result/reason") || !slices.Contains(d.Erased, "/input/attributes/request/http/headers/x-name") {
		t.Errorf("%+v", d)
	}
	if strings.Contains(string(d.Input), "Alice") || strings.Contains(string(d.Input), "session") || !strings.Contains(string(d.Input), `"page":"x"`) {
		t.Errorf("input %s", d.Input)
	}
}

// logged sends a server an entry of an access log.
func logged(t *testing.T, s *server.Server, route, request string, status uint32, details string, written map[string]any) {
	t.Helper()
	conn, err := grpc.NewClient(s.Addrs().AccessLog, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := alsv3.NewAccessLogServiceClient(conn).StreamAccessLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meta := &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{}}
	for namespace, fields := range written {
		value, err := structpb.NewStruct(fields.(map[string]any))
		if err != nil {
			t.Fatal(err)
		}
		meta.FilterMetadata[namespace] = value
	}
	err = stream.Send(&alsv3.StreamAccessLogsMessage{
		Identifier: &alsv3.StreamAccessLogsMessage_Identifier{Node: nodeNamed("edge-1"), LogName: envoy.AccessLogName},
		LogEntries: &alsv3.StreamAccessLogsMessage_HttpLogs{HttpLogs: &alsv3.StreamAccessLogsMessage_HTTPAccessLogEntries{
			LogEntry: []*datav3.HTTPAccessLogEntry{{
				CommonProperties: &datav3.AccessLogCommon{StartTime: timestamppb.Now(), RouteName: route, Metadata: meta},
				Request:          &datav3.HTTPRequestProperties{RequestMethod: corev3.RequestMethod_GET, Path: "/open/x?token=1", RequestId: request},
				Response:         &datav3.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(status), ResponseCodeDetails: details},
			}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
}

// TestDecisionsOfEnvoys reads from access logs what Envoys decided by themselves.
func TestDecisionsOfEnvoys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "all.yaml", loggingDocuments)
	s := start(t, server.Options{Config: dir, State: needs.SocketDir(t)})
	route := envoy.RouteName("open/v1/get", rulesOf(t, s, "http://bank.test:8080/open/x"))
	claims := map[string]any{envoy.MetadataJWT: map[string]any{envoy.MetadataJWTClaims: map[string]any{
		"iss": "https://id.nordhaven.test", "sub": "alice", "scope": "a b",
	}}}
	guard := func(name string) map[string]any {
		return map[string]any{envoy.MetadataRBAC: map[string]any{envoy.KeyRefusal: name}, envoy.MetadataJWT: claims[envoy.MetadataJWT]}
	}
	for name, c := range map[string]struct {
		status  uint32
		details string
		written map[string]any
		result  string
		reason  string
		words   string
	}{
		"token":    {401, "jwt_authn_access_denied{Jwt_is_expired}", nil, "unauthenticated", "", "Jwt is expired."},
		"audience": {401, "jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}", nil, "unauthenticated", "", "Audiences in Jwt are not allowed."},
		"scope": {
			403, "rbac_access_denied_matched_policy[x]", guard(envoy.RefusedScope + `"pay"`), "forbidden", envoy.RefusedScope + `"pay"`,
			`The token lacks a scope that this operation needs: "pay".`,
		},
		"require": {403, "rbac_access_denied_matched_policy[inside]", nil, "forbidden", "inside", "It does not meet the requirement inside"},
		"policy": {
			403, "rbac_access_denied_matched_policy[x]", guard(envoy.PolicyRefusal("bank.payments", "not yours")), "denied", "not yours",
			"The policy bank.payments denied it (not yours).",
		},
		"away":     {503, "ext_authz_error", nil, "failed", "", "could not ask Gatehouse"},
		"limit":    {429, "request_rate_limited", map[string]any{envoy.MetadataRateLimit: map[string]any{envoy.MetadataRateLimitLimit: "five"}}, "limited", "five", "The limit five is reached."},
		"no limit": {503, "rate_limiter_error", nil, "failed", "", "could not ask for the limits"},
		"allowed":  {200, "via_upstream", claims, "allowed", "", "allow it"},
	} {
		logged(t, s, route, "r-"+name, c.status, c.details, c.written)
		var found admin.DecisionsOfRequest
		eventually(t, name, func() bool {
			var err error
			found, err = client(t, s).DecisionsOf(t.Context(), "r-"+name)
			return err == nil
		})
		d := found.Decisions[0]
		if d.Result != c.result || d.Reason != c.reason || d.API != "open" || d.Fleet != "edge" || d.Node != "edge-1" || d.Path != "/open/x" ||
			!slices.Equal(d.Lacks, []string{"input", "body"}) {
			t.Errorf("%s: %+v", name, d)
		}
		if strings.Contains(name, "scope") && (d.Identity == nil || d.Identity.Consumer != "alice" || len(d.Identity.Scopes) != 2) {
			t.Errorf("%s: identity %+v", name, d.Identity)
		}
		said := ""
		for _, w := range found.Why {
			said += w.About + ": " + w.Text + "\n"
		}
		if !strings.Contains(said, c.words) {
			t.Errorf("%s: %q is not said:\n%s", name, c.words, said)
		}
	}
	for name, c := range map[string]struct {
		status  uint32
		details string
	}{"denied": {403, "ext_authz_denied"}, "upstream": {503, "upstream_reset_before_response_started{x}"}, "direct": {404, "direct_response"}} {
		logged(t, s, route, "r-"+name, c.status, c.details, nil)
	}
	all, err := client(t, s).Decisions(t.Context(), admin.DecisionQuery{API: "open"})
	if err != nil || len(all) != 9 {
		t.Errorf("%d decisions, want 9: nothing was decided about the rest; %v", len(all), err)
	}
	refused, err := client(t, s).Decisions(t.Context(), admin.DecisionQuery{API: "open", Refused: true})
	if err != nil || len(refused) != 8 {
		t.Errorf("%d refusals, want 8; %v", len(refused), err)
	}
}

// TestDecisionLogThatCannotBeWritten serves on.
func TestDecisionLogThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "all.yaml", loggingDocuments)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this machine has no /dev/full")
	}
	t.Cleanup(func() { _ = full.Close() })
	state := needs.SocketDir(t)
	s := start(t, server.Options{Config: dir, State: state, Decisions: server.DecisionLog{Lines: decisions.Unclosed(full)}})
	rules := rulesOf(t, s, "http://bank.test:8080/web/x")
	if err := os.RemoveAll(filepath.Join(state, "decisions")); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if got := checkOnce(t, s, rules, "/web/x", "r-1").GetDeniedResponse().GetStatus().GetCode(); got != 403 {
			t.Errorf("answered %d", got)
		}
	}
	eventually(t, "what is lost is counted", func() bool {
		text := metrics(t, s.Addrs().Admin)
		return strings.Contains(text, `gatehouse_decisions_lost_total{sink="log"} 20`) && strings.Contains(text, `gatehouse_decisions_lost_total{sink="journal"} 20`)
	})
	if err := client(t, s).Ready(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
