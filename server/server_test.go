package server_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

const gatewayDocument = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: 8080}]
`

// start starts a server that ends with the test.
func start(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *server.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// client asks a server's management API.
func client(t *testing.T, s *server.Server) *admin.Client {
	t.Helper()
	c, err := admin.Dial(s.Addrs().Admin, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually repeats a check until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

func TestEmptyConfigurationIsReady(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	s := start(t, server.Options{State: filepath.Join(state, "s")})
	if err := client(t, s).Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	info, err := os.Stat(filepath.Join(state, "s"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the state directory has mode %v, %v", info.Mode(), err)
	}
}

// TestFaultyConfigurationIsNotReady starts on a faulty directory, which is mended while the server runs.
func TestFaultyConfigurationIsNotReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "gateway.yaml", strings.Replace(gatewayDocument, "port", "prot", 1))
	s := start(t, server.Options{State: needs.SocketDir(t), Config: dir})
	c := client(t, s)
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "faults") {
		t.Errorf("ready with a faulty configuration: %v", err)
	}
	r, err := c.Revision(t.Context())
	if err != nil || r.ID != "" || len(r.Faults) == 0 {
		t.Errorf("revision %+v, %v", r, err)
	}
	write(t, dir, "gateway.yaml", gatewayDocument)
	eventually(t, "the mended configuration is served", func() bool { return c.Ready(t.Context()) == nil })
}

func TestStopIsFinal(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	s := start(t, server.Options{State: state})
	addrs := s.Addrs()
	stop(t, s)
	for _, a := range []string{addrs.XDS, addrs.Authz, addrs.RateLimit, addrs.AccessLog, addrs.Admin} {
		if _, err := os.Stat(strings.TrimPrefix(a, "unix:")); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", a, err)
		}
	}
	if s.Ready() == nil {
		t.Error("ready after the end")
	}
}

// TestRunEndsWithItsContext runs a server as serve does.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, err := server.New(server.Options{State: needs.SocketDir(t), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	eventually(t, "the server is ready", func() bool { return s.Ready() == nil })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestOneServerForOneStateDirectory(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	start(t, server.Options{State: state})
	second, err := server.New(server.Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "serves on") {
		t.Errorf("a second server on the same sockets: %v", err)
	}
}

// TestSocketLeftBehind starts on a socket that a killed process left.
func TestSocketLeftBehind(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(state, "xds.sock"))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := start(t, server.Options{State: state})
	if err := client(t, s).Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		o    server.Options
		want string
	}{
		"another host can reach it": {server.Options{Listen: server.Addresses{XDS: "0.0.0.0:0"}}, "other hosts"},
		"not an address":            {server.Options{Listen: server.Addresses{Authz: "somewhere"}}, "neither unix:/path nor IP:port"},
		"too long a path":           {server.Options{Listen: server.Addresses{Authz: "unix:/" + strings.Repeat("a", 120)}}, "choose a shorter"},
		"no directory":              {server.Options{Listen: server.Addresses{Authz: "unix:/nowhere/at/all/s"}}, "listen on"},
	} {
		t.Run(name, func(t *testing.T) {
			test.o.State = needs.SocketDir(t)
			s, err := server.New(test.o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("start: %v, want an error with %q", err, test.want)
			}
		})
	}
	if _, err := server.New(server.Options{}); err == nil || !strings.Contains(err.Error(), "state directory") {
		t.Errorf("without a state directory: %v", err)
	}
}

// TestLoopbackOnRequest serves gRPC on loopback TCP where it is asked to.
func TestLoopbackOnRequest(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{State: needs.SocketDir(t), Listen: server.Addresses{Authz: "127.0.0.1:0"}})
	if a := s.Addrs().Authz; !strings.HasPrefix(a, "127.0.0.1:") || strings.HasSuffix(a, ":0") {
		t.Errorf("bound to %q", a)
	}
}
