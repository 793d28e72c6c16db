package admin

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

const token = "0123456789abcdef"

func TestGuardOverTCP(t *testing.T) {
	t.Parallel()
	l := serve(t, "tcp", "127.0.0.1:0", token, &known{})
	address := l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + token
	for _, tt := range []struct {
		name, path, host, origin, authorization string
		want                                    int
	}{
		{"token", "/v1/nodes", "", "", bearer, 200},
		{"scheme in another case", "/v1/nodes", "localhost:" + port, "", "bearer " + token, 200},
		{"IPv6 loopback", "/v1/nodes", "[::1]:" + port, "", bearer, 200},
		{"own page", "/v1/nodes", address, "http://" + address, bearer, 200},
		{"no token", "/v1/nodes", "", "", "", 401},
		{"wrong token", "/v1/nodes", "", "", bearer + "x", 401},
		{"token without scheme", "/v1/nodes", "", "", token, 401},
		{"profiles without token", "/debug/pprof/heap", "", "", "", 401},
		{"metrics without token", "/metrics", "", "", "", 401},
		{"probe", "/readyz", "", "", "", 200},
		{"rebound name", "/v1/nodes", "evil.test:" + port, "", bearer, 421},
		{"rebound name, probe", "/healthz", "evil.test", "", "", 421},
		{"name that begins like an address", "/v1/nodes", "127.0.0.1.evil.test", "", bearer, 421},
		{"other site", "/v1/nodes", "", "http://evil.test", bearer, 403},
		{"other port of this machine", "/v1/nodes", "", "http://127.0.0.1:1", bearer, 403},
		{"sandboxed page", "/v1/nodes", "", "null", bearer, 403},
		{"configured name", "/v1/nodes", "Gate.Bank.test:" + port, "", bearer, 200},
		{"page of the configured name", "/v1/nodes", "gate.bank.test", "http://gate.bank.test", bearer, 200},
		{"page that speaks TLS", "/v1/nodes", "gate.bank.test", "https://gate.bank.test", bearer, 403},
		{"name below the configured one", "/v1/nodes", "evil.gate.bank.test", "", bearer, 421},
		{"a part of the token", "/v1/nodes", "", "", bearer[:len(bearer)-1], 401},
		{"nothing behind the scheme", "/v1/nodes", "", "", "Bearer ", 401},
		{"another scheme", "/v1/nodes", "", "", "Basic " + token, 401},
		{"access token", "/v1/nodes", "", "", "Bearer gha_good", 200},
		{"revoked access token", "/v1/nodes", "", "", "Bearer gha_bad", 401},
		{"who calls cannot be said", "/v1/nodes", "", "", "Bearer gha_away", 503},
		{"token in the URL", "/v1/nodes?access_token=" + token, "", "", bearer, 400},
		{"access token in the URL", "/v1/nodes?fleet=%67ha_abc", "", "", bearer, 400},
		{"access token in the path", "/v1/access/gha_abc.def", "", "", bearer, 400},
		{"unknown path without token", "/v1/nothing", "", "", "", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+tt.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = tt.host
			for name, value := range map[string]string{"Origin": tt.origin, "Authorization": tt.authorization} {
				if value != "" {
					request.Header.Set(name, value)
				}
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.want {
				t.Errorf("got %d, want %d", response.StatusCode, tt.want)
			}
		})
	}
}

func TestClientBringsItsToken(t *testing.T) {
	t.Parallel()
	address := serve(t, "tcp", "127.0.0.1:0", token, &known{}).Addr().String()
	if _, err := dial(t, address, token).Nodes(t.Context(), ""); err != nil {
		t.Errorf("with the token: %v", err)
	}
	if _, err := dial(t, address, "").Nodes(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "token is needed") {
		t.Errorf("without a token: %v", err)
	}
}

func TestShortTokenIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Token: "secret"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{Token: token}); err == nil {
		t.Error("served without anybody who decides")
	}
}

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":               "neither unix:/path nor IP:port",
		"unix:":          "names no socket",
		"bank.test:80":   "neither unix:/path nor IP:port",
		"192.0.2.1:9000": "not on this machine",
		"https://a.test": "is not https://host:port",
		"https://a:1/x":  "is not https://host:port",
	} {
		if _, err := Dial(address, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", address, err, want)
		}
	}
}

func TestClientTellsWhatIsNotGatehouse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other.sock")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })} //nolint:gosec // Ends with the test.
	go func() { _ = other.Serve(l) }()
	t.Cleanup(func() { _ = other.Close() })
	if err := dial(t, "unix:"+path, "").Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "is not Gatehouse's management API") {
		t.Errorf("got %v", err)
	}
}
