package analytics_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3" //nolint:depguard // Stands in for the rate limit service, a sibling.
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/internal/wire"
)

// edgeRoute is one route of the Envoy under test.
type edgeRoute struct{ Operation, Rules, Action, Filters string }

const (
	toPayments = "route: {cluster: payments}"
	fh         = `{"@type": type.googleapis.com/envoy.extensions.filters.http.`
	limit      = fh + `ratelimit.v3.RateLimitPerRoute, rate_limits: [{actions: [{generic_key: {descriptor_key: rules, descriptor_value: RULES}}]}]}`
)

// TestRealEnvoy holds that the records of a real Envoy's requests say what happened.
func TestRealEnvoy(t *testing.T) {
	t.Parallel()
	binary := needs.Envoy(t)
	dir := socketDir(t)
	limits := gateway.Limit{Name: "per-customer", Windows: []gateway.Window{{Limit: 5, Per: time.Minute}}}
	cases := []struct {
		route edgeRoute
		limit []gateway.Limit
		want  analytics.Record
	}{
		{
			edgeRoute{"get", "r1", toPayments, ""},
			nil,
			analytics.Record{Status: 200, Details: "via_upstream", Answered: analytics.Upstream, BytesOut: 3},
		},
		{
			edgeRoute{"gone", "r2", "direct_response: {status: 404, body: {inline_string: gone}}", ""},
			nil,
			analytics.Record{Status: 404, Details: "direct_response", Answered: analytics.Envoy, BytesOut: 4},
		},
		{
			edgeRoute{"down", "r3", "route: {cluster: empty}", ""},
			nil,
			analytics.Record{Status: 503, Details: "no_healthy_upstream", Flags: "UH", Answered: analytics.Envoy, BytesOut: 19},
		},
		{
			edgeRoute{"guarded", "r4", toPayments, "{gatehouse.guard: " + fh + `rbac.v3.RBACPerRoute, rbac: {rules: {policies: {}}}}}`},
			nil,
			analytics.Record{Status: 403, Details: "rbac_access_denied_matched_policy[none]", Answered: analytics.Envoy, BytesOut: 19},
		},
		{
			edgeRoute{"authz-open", "r5", toPayments, "{gatehouse.authz.open: " + fh + "ext_authz.v3.ExtAuthzPerRoute, check_settings: {}}}"},
			nil,
			analytics.Record{
				Status: 200, Details: "via_upstream", Answered: analytics.Upstream, BytesOut: 3,
				LetThrough: analytics.LetThrough{Authorization: true},
			},
		},
		{
			edgeRoute{"authz-closed", "r6", toPayments, "{gatehouse.authz.closed: " + fh + "ext_authz.v3.ExtAuthzPerRoute, check_settings: {}}}"},
			nil,
			analytics.Record{Status: 503, Details: "ext_authz_error", Flags: "UAEX", Answered: analytics.Envoy},
		},
		{
			edgeRoute{"limited", "r7", toPayments, "{gatehouse.ratelimit.open: " + strings.Replace(limit, "RULES", "r7", 1) + "}"},
			[]gateway.Limit{limits},
			analytics.Record{Status: 200, Details: "via_upstream", Answered: analytics.Upstream, BytesOut: 3},
		},
		{
			edgeRoute{"over", "over", toPayments, "{gatehouse.ratelimit.open: " + strings.Replace(limit, "RULES", "over", 1) + "}"},
			[]gateway.Limit{limits},
			analytics.Record{Status: 429, Details: "request_rate_limited", Flags: "RL", Answered: analytics.Gatehouse, Limited: true},
		},
		{
			edgeRoute{"limits-open", "r8", toPayments, "{gatehouse.ratelimit.away: " + strings.Replace(limit, "RULES", "r8", 1) + "}"},
			[]gateway.Limit{limits},
			analytics.Record{
				Status: 200, Details: "via_upstream", Answered: analytics.Upstream, BytesOut: 3,
				LetThrough: analytics.LetThrough{Limits: true},
			},
		},
		{
			edgeRoute{"limits-closed", "r9", toPayments, "{gatehouse.ratelimit.closed: " + strings.Replace(limit, "RULES", "r9", 1) + "}"},
			[]gateway.Limit{limits},
			analytics.Record{Status: 503, Details: "rate_limiter_error", Flags: "RLSE", Answered: analytics.Envoy},
		},
	}
	var (
		mu      sync.Mutex
		records = map[string]analytics.Record{}
		routes  []*gateway.Route
		edge    []edgeRoute
	)
	for _, c := range cases {
		routes = append(routes, route(c.route.Operation, c.route.Rules, c.limit...))
		edge = append(edge, c.route)
	}
	s := newService(t, analytics.Options{Records: func(batch []analytics.Record) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range batch {
			records[r.Operation] = r
		}
	}}, routes...)
	g := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec()))
	s.Register(g)
	rlsv3.RegisterRateLimitServiceServer(g, limiter{})
	serve(t, g, filepath.Join(dir, "gatehouse.sock"))
	backend(t, filepath.Join(dir, "payments.sock"))
	startEnvoy(t, binary, dir, edge)

	started := time.Now()
	client := unixClient(filepath.Join(dir, "edge.sock"))
	for _, c := range cases {
		if got := get(t, client, "http://api.bank.test/"+c.route.Operation); got != c.want.Status {
			t.Errorf("%s: answered %d, want %d", c.route.Operation, got, c.want.Status)
		}
	}
	get(t, client, "http://unknown.bank.test/") // no route
	until(t, "all entries arrived", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(records) == len(cases)+1
	})

	mu.Lock()
	defer mu.Unlock()
	for _, c := range cases {
		want, got := c.want, records[c.route.Operation]
		want.Fleet, want.Node, want.Method = "edge", "edge-1", "GET"
		want.Path = "/" + c.route.Operation
		want.API, want.Version, want.Operation, want.Rules = "payments", "v1", c.route.Operation, c.route.Rules
		checkRecord(t, want, got, started)
	}
	checkRecord(t, analytics.Record{
		Fleet: "edge", Node: "edge-1", Method: "GET", Path: "/", Status: 404, Details: "route_not_found", Flags: "NR", Answered: analytics.Envoy,
	}, records[""], started)
	if got := s.Stats().Unrouted; got != 1 {
		t.Errorf("entries without route: %d, want 1", got)
	}
	wantThrough := []analytics.LetThroughCount{{API: "payments", Authorization: 1, Limits: 1}}
	if diff := cmp.Diff(wantThrough, s.LetThrough()); diff != "" {
		t.Errorf("let through by failures (-want +got):\n%s", diff)
	}
}

// checkRecord compares what is certain of a record, and that the rest is plausible.
func checkRecord(t *testing.T, want, got analytics.Record, started time.Time) {
	t.Helper()
	uncertain := cmpopts.IgnoreFields(analytics.Record{}, "Stream", "Sequence", "Time", "RequestID", "Class", "FirstByte", "LastByte")
	if diff := cmp.Diff(want, got, uncertain, cmpopts.IgnoreUnexported(analytics.Record{})); diff != "" {
		t.Errorf("%q: record (-want +got):\n%s", want.Operation, diff)
	}
	if got.Stream == 0 || got.Sequence == 0 || len(got.RequestID) != 36 {
		t.Errorf("%q: stream %d, sequence %d, request id %q", want.Operation, got.Stream, got.Sequence, got.RequestID)
	}
	if got.Class.String() != fmt.Sprintf("%dxx", want.Status/100) {
		t.Errorf("%q: class %s for status %d", want.Operation, got.Class, want.Status)
	}
	if got.Time.Before(started.Add(-time.Second)) || got.Time.After(time.Now()) {
		t.Errorf("%q: time %v, started %v", want.Operation, got.Time, started)
	}
	if got.FirstByte <= 0 || got.LastByte < got.FirstByte || got.LastByte > patience {
		t.Errorf("%q: first byte after %v, last after %v", want.Operation, got.FirstByte, got.LastByte)
	}
}

// limiter stands in for the rate limit service: rules "over" are over their limit, all others are not.
type limiter struct {
	rlsv3.UnimplementedRateLimitServiceServer
}

func (limiter) ShouldRateLimit(_ context.Context, r *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	rules := r.GetDescriptors()[0].GetEntries()[0].GetValue()
	answer := &rlsv3.RateLimitResponse{
		OverallCode:     rlsv3.RateLimitResponse_OK,
		DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{envoy.MetadataRateLimitRules: structpb.NewStringValue(rules)}},
	}
	if rules == "over" {
		answer.OverallCode = rlsv3.RateLimitResponse_OVER_LIMIT
	}
	return answer, nil
}

// backend answers "ok\n" on a Unix socket.
func backend(t *testing.T, socket string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }),
		ReadHeaderTimeout: patience,
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// startEnvoy starts an Envoy and waits until it is ready; the test's end ends it.
func startEnvoy(t *testing.T, binary, dir string, routes []edgeRoute) {
	t.Helper()
	config, err := template.ParseFiles("testdata/envoy.yaml")
	if err != nil {
		t.Fatalf("read the configuration: %v", err)
	}
	var text bytes.Buffer
	if err := config.Execute(&text, map[string]any{"Dir": dir, "Routes": routes}); err != nil {
		t.Fatalf("write the configuration: %v", err)
	}
	path, logs := filepath.Join(dir, "envoy.yaml"), filepath.Join(dir, "envoy.log")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatalf("write the configuration: %v", err)
	}
	command := exec.CommandContext(t.Context(), binary, "-c", path, "--use-dynamic-base-id", "--concurrency", "1",
		"--log-level", "warning", "--log-path", logs)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatalf("start envoy: %v", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			out, _ := os.ReadFile(logs)
			t.Logf("envoy said:\n%s", out)
		}
	})
	admin := unixClient(filepath.Join(dir, "admin.sock"))
	until(t, "envoy is ready", func() bool {
		r, err := admin.Get("http://admin/ready")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// unixClient returns an HTTP client that connects to a socket whatever the URL's host.
func unixClient(socket string) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
}

func get(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatalf("make a request: %v", err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("get %s: %v", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
