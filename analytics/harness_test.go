package analytics_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/wire"
)

// patience bounds every wait in these tests.
const patience = 20 * time.Second

// newService returns a service whose names are those of the routes.
func newService(t testing.TB, o analytics.Options, routes ...*gateway.Route) *analytics.Service {
	t.Helper()
	s, err := analytics.New(o)
	if err != nil {
		t.Fatalf("new service: %v", err)
	}
	table, faults := analytics.Compile(&gateway.Revision{Routes: routes}, nil)
	if len(faults) > 0 {
		t.Fatalf("compile: %v", faults)
	}
	s.Use(table)
	return s
}

// route returns a route of the payments API.
func route(operation, rules string, limits ...gateway.Limit) *gateway.Route {
	return &gateway.Route{
		API: "payments", Version: "v1", Operation: operation, Rules: rules,
		Action: gateway.ActionForward, Limits: limits,
	}
}

// socketDir returns a directory whose path is short enough for sockets in it.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh")
	if err != nil {
		t.Fatalf("make a directory for sockets: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serve serves a gRPC server on a Unix socket until the test ends.
func serve(t testing.TB, g *grpc.Server, socket string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// dial serves a service on a Unix socket and returns a client of it.
func dial(t testing.TB, s *analytics.Service) alsv3.AccessLogServiceClient {
	t.Helper()
	socket := filepath.Join(socketDir(t), "als.sock")
	g := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec()))
	s.Register(g)
	serve(t, g, socket)
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return alsv3.NewAccessLogServiceClient(conn)
}

// as returns a context whose calls carry the node header.
func as(t testing.TB, node string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	if node == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, envoy.HeaderNode, node)
}

// until waits until a condition holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("still not so after %v: %s", patience, what)
		case <-tick.C:
		}
	}
}
