//go:build e2e

package e2e_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// TestStandalone puts the authorization service alone behind a stock Envoy that somebody configured for opa-envoy-plugin, and
// then takes it away: the Envoy refuses by its own rule, and goes on when it is back.
func TestStandalone(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:" + strconv.Itoa(needs.Port(t))
	start := func() (stop func()) {
		s, err := server.NewStandalone(server.StandaloneOptions{
			Policies: "testdata/standalone/policies", Listen: address, Limit: time.Minute, Drain: patience,
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	stop := start()
	url := stockEnvoy(t, "testdata/standalone/envoy.yaml", address)
	for _, test := range []struct {
		what, user, method, path, body string
		status                         int
		want                           string
	}{
		{"a guest reads", "alice", "GET", "/people/1?x=1", "", 200, `"x-user":["alice"]`},
		{"a guest writes", "alice", "POST", "/people", `{"firstname": "carol"}`, 403, "not for you\n"},
		{"an admin writes", "bob", "POST", "/people", `{"firstname": "carol"}`, 200, `"x-user":["bob"]`},
		{"an admin employs himself", "bob", "POST", "/people", `{"firstname": "bob"}`, 403, "not for you\n"},
		{"a body too large to read", "bob", "POST", "/people", `{"firstname": "carol", "note": "` + strings.Repeat("x", 10_000) + `"}`, 403, "not for you\n"},
		{"a body that is none", "bob", "POST", "/people", `{"firstname": `, 400, `"code":"bad-request"`},
		{"nobody", "", "GET", "/people", "", 403, "not for you\n"},
	} {
		t.Run(test.what, func(t *testing.T) {
			status, header, body := ask(t, test.method, url+test.path, test.user, test.body)
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("answered %d %s, want %d %s", status, body, test.status, test.want)
			}
			if decided := header.Get("X-Decided"); (decided == "by rego") != (test.status == 200) {
				t.Errorf("x-decided is %q", decided)
			}
			if strings.Contains(body, `"authorization"`) {
				t.Errorf("the upstream saw the credentials: %s", body)
			}
		})
	}
	stop()
	if status, _, body := ask(t, "GET", url+"/people", "alice", ""); status != 403 {
		t.Errorf("without authorization answered %d %s", status, body)
	}
	stop = start()
	defer stop()
	eventuallyStatus(t, url+"/people", "alice", 200)
}

// stockEnvoy starts an Envoy of a file that asks at an address, and returns its URL.
func stockEnvoy(t *testing.T, file, service string) string {
	t.Helper()
	binary, dir := needs.Envoy(t), needs.SocketDir(t)
	upstream, _ := backend(t, "service", "")
	host, port, err := net.SplitHostPort(upstream)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	own := strconv.Itoa(needs.Port(t))
	text = []byte(strings.NewReplacer("DIR", dir, "PORT", own, "AUTHZ", service, "SERVICE", service, "HOST", host, "BACKEND", port).Replace(string(text)))
	launch := envoy.Start{
		Binary: binary, Bootstrap: filepath.Join(dir, "envoy.yaml"), Admin: filepath.Join(dir, "admin.sock"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if err := os.WriteFile(launch.Bootstrap, text, 0o600); err != nil {
		t.Fatal(err)
	}
	child, err := envoy.Launch(context.WithoutCancel(t.Context()), launch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Stop(context.WithoutCancel(t.Context()), 0) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := child.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return "http://127.0.0.1:" + own
}

// ask makes one request as a user.
func ask(t *testing.T, method, url, user, body string) (int, http.Header, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if user != "" {
		request.SetBasicAuth(user, "password")
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
	return response.StatusCode, response.Header, string(text)
}

// eventuallyStatus asks until the answer has a status.
func eventuallyStatus(t *testing.T, url, user string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _, _ := ask(t, http.MethodGet, url, user, "")
		if status == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s is answered %d, want %d", url, status, want)
		}
	}
}
