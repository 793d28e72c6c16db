//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/internal/nameserver"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// world is one daemon, its Envoys and its backends.
type world struct {
	otlp   string // Where Envoys send their metrics; empty: nowhere.
	t      *testing.T
	dir    string // The documents.
	state  string
	values map[string]string // What "${NAME}" stands for in documents.
	log    *buffer
	names  *nameserver.Server // What the daemon resolves names by; nil: as this machine does.
	remote server.Remote      // How Envoys of other hosts are served.

	tune   func(*server.Options) // Changes how the daemon is set up; nil: nothing.
	server *server.Server
	envoys map[string]*envoy.Child
	cancel context.CancelFunc
	ran    chan error
}

// newWorld writes documents and starts a daemon. Ports of listeners are named in documents as "${PORT}" or any other name;
// each name gets a free port of its own, or what values say.
func newWorld(t *testing.T, documents map[string]string, values map[string]string) *world {
	t.Helper()
	w := prepare(t, documents, values)
	w.startServer()
	return w
}

// prepare is newWorld without the daemon.
func prepare(t *testing.T, documents map[string]string, values map[string]string) *world {
	t.Helper()
	w := &world{
		t: t, dir: t.TempDir(), state: needs.SocketDir(t), values: map[string]string{}, log: &buffer{},
		envoys: map[string]*envoy.Child{},
	}
	maps.Copy(w.values, values)
	for name, text := range documents {
		w.write(name, text)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", w.log)
		}
	})
	return w
}

// admin returns a client of the daemon's management API.
func (w *world) admin() *admin.Client {
	w.t.Helper()
	c, err := admin.Dial("unix:"+filepath.Join(w.state, "admin.sock"), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// write writes one document, moved into place whole as editors do.
func (w *world) write(name, text string) {
	w.t.Helper()
	text = os.Expand(text, func(name string) string {
		if v, ok := w.values[name]; ok {
			return v
		}
		if strings.HasPrefix(name, "PORT") || strings.HasSuffix(name, "PORT") {
			w.values[name] = fmt.Sprint(needs.Port(w.t))
			return w.values[name]
		}
		return "${" + name + "}"
	})
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	fresh := filepath.Join(w.dir, ".new")
	if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		w.t.Fatal(err)
	}
}

// read returns one document as it was written.
func (w *world) read(name string) []byte {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// remove removes one document.
func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// startServer starts the daemon on the world's documents; it ends with the test.
func (w *world) startServer() {
	w.t.Helper()
	options := server.Options{
		Config: w.dir, State: w.state, Drain: patience, Remote: w.remote,
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if w.names != nil {
		options.Resolver, options.Refresh = w.names.Resolver(), 200*time.Millisecond
	}
	if w.tune != nil {
		w.tune(&options)
	}
	s, err := server.New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	w.server, w.cancel, w.ran = s, cancel, make(chan error, 1)
	if err := s.Start(ctx); err != nil {
		w.t.Fatal(err)
	}
	stopped := sync.OnceFunc(func() {
		cancel()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		w.ran <- s.Stop(ctx)
	})
	w.cancel = stopped
	w.t.Cleanup(stopped)
}

// stopServer stops the daemon as SIGTERM would, and fails the test if it did not end in good order.
func (w *world) stopServer() {
	w.t.Helper()
	w.cancel()
	if err := <-w.ran; err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

// startEnvoy starts an Envoy of a fleet and waits until it serves.
func (w *world) startEnvoy(fleet, node string) *envoy.Child {
	w.t.Helper()
	return w.startEnvoyBy(w.server.Addrs().XDS, fleet, node)
}

// startEnvoyBy starts an Envoy that gets its configuration at an address of xDS, and waits until it serves.
func (w *world) startEnvoyBy(xds, fleet, node string) *envoy.Child {
	w.t.Helper()
	return w.awaited(node, w.joinEnvoyBy(xds, fleet, node))
}

// startEnvoyWith starts an Envoy that reaches the daemon at some addresses.
func (w *world) startEnvoyWith(fleet, node string, services envoy.Services) *envoy.Child {
	w.t.Helper()
	return w.awaited(node, w.joinEnvoyWith(fleet, node, services))
}

func (w *world) awaited(node string, child *envoy.Child) *envoy.Child {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := child.WaitReady(ctx); err != nil {
		w.t.Fatalf("envoy %s is not ready: %v", node, err)
	}
	return child
}

// joinEnvoyBy is startEnvoyBy without waiting.
func (w *world) joinEnvoyBy(xds, fleet, node string) *envoy.Child {
	w.t.Helper()
	services := w.services()
	services.XDS = []string{xds}
	return w.joinEnvoyWith(fleet, node, services)
}

// services are where an Envoy of this host reaches the daemon.
func (w *world) services() envoy.Services {
	a := w.server.Addrs()
	return envoy.Services{XDS: []string{a.XDS}, Authz: []string{a.Authz}, RateLimit: []string{a.RateLimit}, AccessLog: []string{a.AccessLog}}
}

func (w *world) joinEnvoyWith(fleet, node string, services envoy.Services) *envoy.Child {
	w.t.Helper()
	return w.launch(needs.Envoy(w.t), fleet, node, services)
}

// launch starts an Envoy by a program.
func (w *world) launch(binary, fleet, node string, services envoy.Services) *envoy.Child {
	w.t.Helper()
	settings := envoy.Settings{Fleet: fleet, Node: node, Dir: filepath.Join(w.state, node), Metrics: w.otlp}
	bootstrap, err := envoy.Prepare(settings, services)
	if err != nil {
		w.t.Fatal(err)
	}
	child, err := envoy.Launch(context.WithoutCancel(w.t.Context()), envoy.Start{
		Binary: binary, Bootstrap: bootstrap, Admin: settings.AdminSocket(), Concurrency: 1,
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.stopEnvoy(child) })
	w.envoys[node] = child
	return child
}

func (w *world) stopEnvoy(child *envoy.Child) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := child.Stop(ctx, 0); err != nil && !errors.Is(err, envoy.ErrEnded) {
		w.t.Errorf("stop envoy: %v", err)
	}
}

// url returns the address of a path on the listener whose port has a name.
func (w *world) url(port, path string) string { return "http://127.0.0.1:" + w.values[port] + path }

// answer is what a client gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// echoed returns what the echo backend received.
func (a answer) echoed(t *testing.T) echo.Answer {
	t.Helper()
	var got echo.Answer
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("status %d, not an answer of the backend: %q", a.status, a.body)
	}
	return got
}

// problem returns the code of a problem document.
func (a answer) problem(t *testing.T) string {
	t.Helper()
	var p struct {
		Code   string `json:"code"`
		Status int    `json:"status"`
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("status %d, not a problem document: %q", a.status, a.body)
	}
	if got := a.header.Get("content-type"); got != "application/problem+json" || p.Status != a.status {
		t.Errorf("problem document of status %d and type %q in an answer of status %d", p.Status, got, a.status)
	}
	return p.Code
}

// do sends one request with headers given as "name: value".
func (w *world) do(method, url string, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if strings.EqualFold(name, "host") {
			r.Host = value
		} else {
			r.Header.Add(name, value)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}, err
}

// get sends a GET that must be answered.
func (w *world) get(url string, headers ...string) answer {
	w.t.Helper()
	a, err := w.do(http.MethodGet, url, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// eventually repeats a check until it holds.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			w.t.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

// backend starts an echo backend, on a port of its own or a given one, and returns its address and what stops it.
func backend(t *testing.T, name, address string) (string, func()) {
	t.Helper()
	return backendWith(t, echo.Settings{Name: name}, address)
}

// backendWith starts an echo backend with settings.
func backendWith(t *testing.T, settings echo.Settings, address string) (string, func()) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := echo.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- echo.Serve(ctx, l, handler, slog.New(slog.DiscardHandler)) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("backend %s: %v", settings.Name, err)
		}
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// buffer is a log that many goroutines write and tests read.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
