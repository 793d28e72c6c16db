//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// exchange sends a request with a body and headers given as "name: value".
func (w *world) exchange(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url("PORT", path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(body, "chunked") {
		r.ContentLength = -1
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(got)}
}

// reflected returns what the mirror got.
func (a answer) reflected(t *testing.T) mirrored {
	t.Helper()
	var out mirrored
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 200 {
		t.Fatalf("status %d, not the mirror's: %q", a.status, a.body)
	}
	return out
}

func crossOrigin(t *testing.T, w *world, signed string) {
	preflight := func(path, origin, method string) answer {
		return w.exchange(t, "OPTIONS", path, "", "origin: "+origin, "access-control-request-method: "+method)
	}
	const app, admin = "https://app.nordhaven.test", "https://admin.nordhaven.test"
	for _, ask := range []struct {
		path, origin, method string
		may                  bool
	}{
		{"/pages/7", app, "GET", true},
		{"/pages/7", "https://a.b.suderbank.test", "GET", true},
		{"/pages/7", "https://suderbank.test", "GET", false},
		{"/pages/7", "https://evil.test/.suderbank.test", "GET", false},
		{"/pages/7", "http://app.nordhaven.test", "GET", false},
		{"/pages/7", admin, "GET", false},
		{"/pages/7", admin, "PUT", true},
		{"/pages/7", app, "PUT", false},
		{"/pages/7", app, "DELETE", false},
		{"/pages/nothing/here", app, "GET", false},
		{"/assets/a.css", "https://anywhere.test", "GET", true},
	} {
		a := preflight(ask.path, ask.origin, ask.method)
		if got := a.header.Get("access-control-allow-origin"); (got != "") != ask.may || (a.status == 200) != ask.may {
			t.Errorf("%s asks to %s %s: %d, %q", ask.origin, ask.method, ask.path, a.status, got)
		}
	}
	a := preflight("/pages/7", app, "GET")
	for name, want := range map[string]string{
		"access-control-allow-origin": app, "access-control-allow-methods": "GET, PUT", "access-control-allow-headers": "x-trace",
		"access-control-max-age": "600", "access-control-allow-credentials": "true",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	a = w.exchange(t, "GET", "/pages/7", "", "origin: "+app)
	if a.status != 401 || a.header.Get("access-control-allow-origin") != app {
		t.Errorf("a page that shows no token: %d %v", a.status, a.header)
	}
	if a = w.exchange(t, "GET", "/pages/7", "", "origin: "+app, signed); a.status != 200 || a.header.Get("access-control-expose-headers") != "x-total" || a.header.Get("vary") != "Origin" {
		t.Errorf("a page that shows a token: %d %v", a.status, a.header)
	}
	if a = w.exchange(t, "GET", "/pages/7", "", "origin: https://evil.test", signed); a.header.Get("access-control-allow-origin") != "" {
		t.Errorf("another page: %v", a.header)
	}
}

func compressed(t *testing.T, w *world, _ string) {
	for path, codings := range map[string]map[string]string{
		"/assets/a.css": {"gzip": "gzip", "br": "br", "zstd": "zstd", "gzip;q=0.5, zstd": "zstd", "identity": ""},
		"/plain/query":  {"gzip": "gzip", "br": ""}, // One algorithm.
	} {
		for accepted, want := range codings {
			a := w.exchange(t, "GET", path, "", "accept-encoding: "+accepted)
			if got := a.header.Get("content-encoding"); got != want || a.status != 200 {
				t.Errorf("%s accepting %s: %d %q, want %q", path, accepted, a.status, got, want)
			}
			if want != "" && (a.header.Get("vary") == "" || len(a.body) > 1024) {
				t.Errorf("%s accepting %s: %d bytes, vary %q", path, accepted, len(a.body), a.header.Get("vary"))
			}
		}
	}
	if a := w.exchange(t, "POST", "/plain/any", "", "accept-encoding: gzip"); a.header.Get("content-encoding") != "" {
		t.Errorf("compressed where the operation says none: %v", a.header)
	}
	if a := w.exchange(t, "GET", "/assets/a.css", "", "accept-encoding: identity"); a.header.Get("server") != "mirror/1" || a.header.Get("x-powered-by") != "" {
		t.Errorf("a Route that keeps server: %v", a.header)
	}
}

func bounded(t *testing.T, w *world, _ string) {
	for _, one := range []struct {
		path, body string
		status     int
	}{
		{"/plain/small", strings.Repeat("x", 1024), 200},
		{"/plain/small", strings.Repeat("x", 1025), 413},
		{"/plain/small", "chunked" + strings.Repeat("x", 1000), 200},
		{"/plain/small", "chunked" + strings.Repeat("x", 1100), 413},
		{"/plain/gateways", strings.Repeat("x", 4096), 200},
		{"/plain/gateways", strings.Repeat("x", 4097), 413},
		{"/plain/any", strings.Repeat("x", 5000), 200},
	} {
		a := w.exchange(t, "POST", one.path, one.body)
		if a.status != one.status {
			t.Errorf("%s with %d bytes: %d, want %d", one.path, len(one.body), a.status, one.status)
		}
		if a.status == 413 && a.problem(t) != "body-too-large" {
			t.Errorf("%s: %s", one.path, a.body)
		}
	}
}

func queried(t *testing.T, w *world, _ string) {
	for asked, want := range map[string]string{
		"":                                  "by=127.0.0.1%20query&limit=10&tag=a%26b%3Dc",
		"?debug=1&x=2":                      "x=2&by=127.0.0.1%20query&limit=10&tag=a%26b%3Dc",
		"?%64ebug=1&d%65bug&x=a%26limit%3D": "x=a%26limit%3D&by=127.0.0.1%20query&limit=10&tag=a%26b%3Dc",
		"?limit=9&li%6Dit=8&&y=%20+%zz":     "y=%20+%zz&by=127.0.0.1%20query&limit=10&tag=a%26b%3Dc",
		"?tag=1&debugger=2&x=%0d%0aa:b":     "tag=1&debugger=2&x=%0d%0aa:b&by=127.0.0.1%20query&limit=10&tag=a%26b%3Dc",
	} {
		got := w.exchange(t, "GET", "/plain/query"+asked, "", "accept-encoding: identity").reflected(t).Target
		if got != "/query?"+want {
			t.Errorf("%q becomes %q, want %q", asked, got, want)
		}
	}
}

func described(t *testing.T, w *world, signed string) {
	a := w.exchange(t, "GET", "/plain/headers?q=1", "", "accept-encoding: identity")
	if got := a.reflected(t).Header["X-All"]; len(got) != 1 || got[0] != "/plain/headers|HTTP/1.1|edge|plain|v1|headers|100%" {
		t.Errorf("the upstream gets %q", got)
	}
	if a.header.Get("server") != "bank" || a.header.Get("x-powered-by") != "" {
		t.Errorf("the client gets %v", a.header)
	}
	if a := w.exchange(t, "GET", "/plain/query", "", "accept-encoding: identity"); a.header.Get("server") != "" || a.header.Get("x-powered-by") != "" {
		t.Errorf("what the upstream is made of: %v", a.header)
	}
	got := w.exchange(t, "GET", "/plain/caller", "", signed, "x-caller: forged", "x-application: forged", "accept-encoding: identity").reflected(t).Header
	if got["X-Application"] != nil { // The token names none, and the client must not.
		t.Errorf("the application is %q", got["X-Application"])
	}
	if want := "jwt/" + strings.Join(got["X-Gatehouse-Consumer"], ","); len(got["X-Caller"]) != 1 || got["X-Caller"][0] != want || want == "jwt/" {
		t.Errorf("the caller is %q, want %q", got["X-Caller"], want)
	}
}

func rewritten(t *testing.T, w *world, _ string) {
	a := w.exchange(t, "POST", "/plain/body", `{"amount": 12.5, "n": 1, "meta": {"from": ["a", 1]}, "kept": "\"%REQ(x)%"}`, "content-type: application/json")
	var got struct {
		Saw   map[string]any `json:"saw"`
		Asked any            `json:"asked"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
		t.Fatalf("%d %q", a.status, a.body)
	}
	from, _ := json.Marshal(got.Saw["from"])
	nested, _ := json.Marshal(got.Saw["nested"])
	if got.Saw["operation"] != "body" || got.Saw["n"] != 3.0 || got.Saw["sure"] != true || got.Saw["share"] != "100%" || got.Saw["kept"] != `"%REQ(x)%` ||
		string(from) != `["a",1]` || string(nested) != `{"twice":"127.0.0.1"}` || got.Saw["amount"] != 12.5 || got.Asked != 12.5 {
		t.Errorf("the bodies became %s", a.body)
	}
	if a := w.exchange(t, "POST", "/plain/body", "no JSON", "content-type: text/plain"); a.status != 200 {
		t.Errorf("a text: %d %q", a.status, a.body)
	}
}

func injected(t *testing.T, w *world, _ string) {
	if a := w.exchange(t, "GET", "/plain/drill", "", "x-drill: yes"); a.status != 503 || a.problem(t) != "fault-injected" {
		t.Errorf("a request that is meant: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/plain/drill", "/plain/over"} {
		if a := w.exchange(t, "GET", path, "", "x-drill: no"); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	begun := time.Now()
	if a := w.exchange(t, "GET", "/plain/slow", "", "x-drill: slow"); a.status != 200 || time.Since(begun) < time.Second {
		t.Errorf("a delayed request: %d after %s", a.status, time.Since(begun))
	}
}

func fromAddresses(t *testing.T, w *world, _ string) {
	for path, status := range map[string]int{"/plain/banned": 403, "/plain/others": 403, "/plain/mine": 200} {
		a := w.exchange(t, "GET", path, "")
		if a.status != status || status == 403 && (a.problem(t) != "forbidden" || !strings.Contains(a.body, "address-refused")) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func counted(t *testing.T, w *world, _ string) {
	ask := func(query string, headers ...string) int {
		a := w.exchange(t, "GET", "/plain/flood"+query, "", headers...)
		if a.status == 429 && (a.problem(t) != "rate-limited" || a.header.Get("retry-after") == "") {
			t.Errorf("the refusal: %v %s", a.header, a.body)
		}
		return a.status
	}
	for _, caller := range [][]string{{"x-caller: a"}, {"x-caller: b"}, nil} { // Counted before anybody is asked who they are.
		for i, want := range []int{401, 401, 429, 429} {
			if got := ask([]string{"", "?a=1"}[i%2], caller...); got != want {
				t.Errorf("%q, request %d: %d, want %d", caller, i+1, got, want)
			}
		}
	}
}

func transcoded(t *testing.T, w *world, _ string) {
	for _, one := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/health/services/ledger", "", 200, `{"status":"SERVING"}`},
		{"GET", "/health/services/nobody", "", 404, "unknown service"},
		{"POST", "/health/grpc.health.v1.Health/Watch", "broken", 400, ""},
		{"GET", "/health/elsewhere", "", 404, ""},
	} {
		a := w.exchange(t, one.method, one.path, one.body, "content-type: application/json")
		if a.status != one.status || !strings.Contains(a.body, one.says) {
			t.Errorf("%s %s: %d %v %q", one.method, one.path, a.status, a.header, a.body)
		}
	}
	message := []byte{0, 0, 0, 0, 8, 10, 6, 'l', 'e', 'd', 'g', 'e', 'r'} // A frame with service: "ledger".
	a := w.exchange(t, "POST", "/health/grpc.health.v1.Health/Check", string(message), "content-type: application/grpc-web+proto", "x-grpc-web: 1")
	if a.status != 200 || !strings.Contains(a.body, "grpc-status:0") || !bytes.HasPrefix([]byte(a.body), []byte{0, 0, 0, 0, 2, 8, 1}) {
		t.Errorf("by gRPC-Web: %d %v %q", a.status, a.header, a.body)
	}
	a = w.exchange(t, "POST", "/health/grpc.health.v1.Health/Check", base64.StdEncoding.EncodeToString(message), "content-type: application/grpc-web-text", "accept: application/grpc-web-text")
	if a.status != 200 || !strings.HasPrefix(a.body, "AAAAAAIIAQ") {
		t.Errorf("by gRPC-Web as text: %d %v %q", a.status, a.header, a.body)
	}
}
