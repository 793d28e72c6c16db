package server_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// lines collects what is written, for several goroutines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// alone starts a Standalone on a socket, and returns a connection to it, and what ends it.
func alone(t *testing.T, o server.StandaloneOptions) (*server.Standalone, *grpc.ClientConn, func()) {
	t.Helper()
	o.Listen = "unix:" + filepath.Join(needs.SocketDir(t), "a.sock")
	o.Diagnostics, o.Limit, o.Drain = "127.0.0.1:0", time.Minute, 10*time.Second
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	o.Lookup = func(string) (string, bool) { return "", false }
	s, err := server.NewStandalone(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	conn, err := grpc.NewClient(o.Listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, conn, stop
}

// answer asks about a path, and returns code and body.
func answer(t *testing.T, conn *grpc.ClientConn, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	response, err := authv3.NewAuthorizationClient(conn).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: path, Headers: map[string]string{"authorization": "Bearer s3cret", "x-user": "alice"},
		}},
	}}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.GetStatus().GetCode(), " ", response.GetDeniedResponse().GetBody())
}

// answered waits until the answer is the wanted one.
func answered(t *testing.T, conn *grpc.ClientConn, path, want string) {
	t.Helper()
	eventually(t, path+" is answered "+want, func() bool { return answer(t, conn, path) == want })
}

func rego(version string) string {
	return `package envoy.authz
allow := {"allowed": false, "http_status": 200, "body": "` + version + `"} if input.parsed_path[0] == "version"
allow := true if input.parsed_path[0] == "public"
`
}

// TestStandaloneReloads changes the policies of a directory below requests: a change is in use at once, and one that cannot be
// compiled changes nothing.
func TestStandaloneReloads(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), &lines{}
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "authz.rego"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(rego("one"))
	s, conn, stop := alone(t, server.StandaloneOptions{Policies: dir, Reflection: true, Logger: slog.New(slog.NewTextHandler(log, nil))})
	answered(t, conn, "/version", "7 one")
	put(rego("two"))
	answered(t, conn, "/version", "7 two")
	put("package envoy.authz\nallow := nothing\n")
	eventually(t, "the log tells", func() bool { return strings.Contains(log.String(), "policies not reloaded") })
	if !strings.Contains(log.String(), "authz.rego:2:10") {
		t.Errorf("the log does not say where: %s", log)
	}
	if got := answer(t, conn, "/version"); got != "7 two" {
		t.Errorf("a broken policy changed the answer: %q", got)
	}
	put(rego("three"))
	answered(t, conn, "/version", "7 three")

	health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v %v", health, err)
	}
	metrics := get(t, "http://"+s.DiagnosticsAddr()+"/metrics")
	for _, want := range []string{`gatehouse_authorization_decisions_total{result="denied"}`, "gatehouse_ready 1"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	stop()
	if _, err := net.Dial("unix", strings.TrimPrefix(s.Addr(), "unix:")); err == nil { //nolint:noctx // Nobody is there.
		t.Error("the socket answers after the end")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// packed is a bundle with one module.
func packed(t *testing.T, revision, rego string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for name, text := range map[string]string{"/.manifest": `{"revision": "` + revision + `", "roots": ["envoy", "system"]}`, "/authz.rego": rego, "/log.rego": `package system.log
mask contains "/input/attributes/request/http/headers/x-user"
drop if input.input.parsed_path == ["public"]
`} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestStandaloneWithOPAConfig runs with OPA's configuration: a bundle that comes late, changes, is away at a restart; and the
// decision log, masked.
func TestStandaloneWithOPAConfig(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var current []byte
	bundles := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if current == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(current)
	}))
	t.Cleanup(bundles.Close)
	put := func(packed []byte) {
		mu.Lock()
		defer mu.Unlock()
		current = packed
	}
	opa := fmt.Sprintf(`
services: {acme: {url: %q}}
persistence_directory: %q
bundles: {authz: {service: acme, persist: true, polling: {min_delay_seconds: 1, max_delay_seconds: 1}}}
decision_logs: {console: true}
status: {console: true}
labels: {region: north}
plugins: {envoy_ext_authz_grpc: {addr: "unix:///nowhere", enable-performance-metrics: true}}
`, bundles.URL, t.TempDir())
	console := &lines{}
	s, conn, stop := alone(t, server.StandaloneOptions{OPA: []byte(opa), Console: console})
	if got := answer(t, conn, "/version"); !strings.HasPrefix(got, "7 ") || !strings.Contains(got, `"status":503`) {
		t.Errorf("without policies: %q", got)
	}
	health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %v %v", health, err)
	}
	put(packed(t, "r1", rego("one")))
	answered(t, conn, "/version", "7 one")
	put(packed(t, "r2", rego("two")))
	answered(t, conn, "/version", "7 two")
	if got := answer(t, conn, "/public"); got != "0 " {
		t.Errorf("answered %q", got)
	}
	if !strings.Contains(get(t, "http://"+s.DiagnosticsAddr()+"/metrics"), `grpc_request_duration_seconds_count{handler="check"}`) {
		t.Error("the plugin's histogram is not there")
	}
	stop()

	text := strings.TrimSpace(console.String())
	if text == "" || strings.Contains(text, "s3cret") || strings.Contains(text, "alice") || strings.Contains(text, `"public"`) {
		t.Errorf("the decision log is empty, or tells too much: %s", text)
	}
	var event map[string]any
	all := strings.Split(text, "\n")
	if err := json.Unmarshal([]byte(all[len(all)-1]), &event); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"bundles": "map[authz:map[revision:r2]]", "path": "envoy/authz/allow", "result": "map[allowed:false http_status:200]",
		"erased": "[/input/attributes/request/http/headers/authorization /input/attributes/request/http/headers/x-user /input/parsed_body /result/body]",
	} {
		if got := fmt.Sprint(event[key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if fmt.Sprint(event["labels"].(map[string]any)["region"]) != "north" {
		t.Errorf("labels are %v", event["labels"])
	}

	put(nil) // The server of bundles has lost its bundle: a restart serves what was persisted.
	_, conn, _ = alone(t, server.StandaloneOptions{OPA: []byte(opa), Console: io.Discard})
	answered(t, conn, "/version", "7 two")
}
