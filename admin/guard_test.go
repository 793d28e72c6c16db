package admin

import (
	"errors"
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

// elsewhere is a listener that says it is on another interface.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9000} }

func TestServeRefusesWhatAnybodyCouldReach(t *testing.T) {
	t.Parallel()
	listen := func() net.Listener {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for name, tt := range map[string]struct {
		listener    net.Listener
		token, want string
	}{
		"no token":        {listen(), "", "--admin-token"},
		"other interface": {elsewhere{listen()}, token, "not on 192.0.2.1:9000"},
	} {
		if err := newService(t, tt.token, &known{}).Serve(tt.listener); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
		if _, err := tt.listener.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the listener is still open: %v", name, err)
		}
	}
}

func TestShortTokenIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Token: "secret"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":               "neither unix:/path nor IP:port",
		"unix:":          "names no socket",
		"bank.test:80":   "neither unix:/path nor IP:port",
		"192.0.2.1:9000": "not on this machine",
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
