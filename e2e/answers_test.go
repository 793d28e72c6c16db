//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// goldenWorld starts a daemon and an Envoy on the documents of a golden case, or on a folder beside the goldens, with one
// backend behind every upstream.
func goldenWorld(t *testing.T, dir string) *world {
	t.Helper()
	address, _ := backend(t, "bank", "")
	documents := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents[filepath.Base(file)] = strings.NewReplacer("port: 8080", "port: ${PORT}", "127.0.0.1:9001", "${BACKEND}").Replace(string(text))
	}
	w := newWorld(t, documents, map[string]string{"BACKEND": address})
	w.startEnvoy("edge", "edge-1")
	return w
}

// bankHost is the header by which requests reach the hosts of the answers' documents.
const bankHost = "host: api.bank.test"

// TestProblems holds that whatever Envoy or Gatehouse itself refuses or fails at is told by a problem document with a code
// that stays.
func TestProblems(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t, "testdata/answers")
	alice := token(t, map[string]any{"sub": "alice"})
	if a := w.get(w.url("PORT", "/limited/x"), bankHost, "x-caller: x"); a.status != 200 {
		t.Errorf("the first request: %+v", a)
	}
	for _, p := range []struct {
		method, path string
		headers      []string
		status       int
		code         string
		header       string // One that must be there.
	}{
		{"GET", "/payments/alice", nil, 401, gateway.ProblemUnauthorized, "www-authenticate"},
		{"GET", "/payments/alice", []string{token(t, map[string]any{"exp": 1})}, 401, gateway.ProblemUnauthorized, "www-authenticate"},
		{"GET", "/payments/alice", []string{token(t, map[string]any{"aud": "cards"})}, 401, gateway.ProblemUnauthorized, "www-authenticate"},
		{"POST", "/payments/alice/audit", []string{alice}, 403, gateway.ProblemForbidden, ""},
		{"GET", "/payments/bob", []string{alice}, 403, gateway.ProblemDenied, ""},
		{"DELETE", "/payments/alice", []string{alice}, 405, gateway.ProblemMethod, "allow"},
		{"GET", "/payments/a/b/c", []string{alice}, 404, gateway.ProblemNotFound, ""},
		{"GET", "/nothing", nil, 404, gateway.ProblemNotFound, ""},
		{"GET", "/open/", []string{"host: other.test"}, 404, gateway.ProblemNotFound, ""},
		{"GET", "/limited/x", []string{"x-caller: x"}, 429, gateway.ProblemLimited, "retry-after"},
		{"GET", "/quarantined", nil, 503, gateway.ProblemQuarantined, "retry-after"},
		{"GET", "/gone", nil, 503, gateway.ProblemUpstreamFailed, ""},
		{"GET", "/open/", []string{"x-echo-delay: 5s"}, 504, gateway.ProblemUpstreamSlow, ""},
		{"GET", "/open/a%2fb", nil, 400, gateway.ProblemBadRequest, ""},
		{"GET", "/open/", []string{"x_caller: x"}, 400, gateway.ProblemBadRequest, ""},
		{"GET", "/open/", []string{"x-long: " + strings.Repeat("x", 70<<10)}, 431, gateway.ProblemBadRequest, ""},
	} {
		a, err := w.do(p.method, w.url("PORT", p.path), append([]string{bankHost}, p.headers...)...)
		if err != nil {
			t.Errorf("%s %s: %v", p.method, p.path, err)
			continue
		}
		if a.status != p.status || a.problem(t) != p.code || p.header != "" && a.header.Get(p.header) == "" {
			t.Errorf("%s %s: %+v, want status %d, code %s and a header %s", p.method, p.path, a, p.status, p.code, p.header)
		}
	}
	w.stopServer()
	for path, code := range map[string]string{"/payments/alice": gateway.ProblemAuthzAway, "/limited/away": gateway.ProblemLimitsAway} {
		if a := w.get(w.url("PORT", path), bankHost, alice); a.status != 503 || a.problem(t) != code || a.header.Get("retry-after") == "" {
			t.Errorf("%s while Gatehouse is away: %+v", path, a)
		}
	}
}

// TestBodies holds that what a policy, a direct response or an upstream says arrives byte for byte.
func TestBodies(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t, "testdata/answers")
	policy := w.get(w.url("PORT", "/speaks"), bankHost)
	const spoken = "<h1>Zahlung nötig</h1>\n%RESPONSE_CODE% %LOCAL_REPLY_BODY% %% {\"a\":1}\r\n\t"
	if policy.status != 402 || policy.body != spoken || policy.header.Get("content-type") != "text/html; charset=utf-8" ||
		policy.header.Get("x-price") != "5 EUR" {
		t.Errorf("the policy's answer: %+v", policy)
	}
	direct := w.get(w.url("PORT", "/payments/a/b/c"), bankHost)
	if want := gateway.NewProblem(404, gateway.ProblemNotFound, "payments has no operation for this path").JSON(); direct.body != string(want) {
		t.Errorf("the direct response is %q, want %q", direct.body, want)
	}
	upstream := w.get(w.url("PORT", "/open/x"), bankHost, "x-echo-status: 503", "x-echo-size: 9")
	if upstream.status != 503 || upstream.body != "eeeeeeeee" || upstream.header.Get("content-type") != "text/plain" {
		t.Errorf("the upstream's own failure: %+v", upstream)
	}
}
