//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/admin"
)

// serving starts a daemon alone.
func serving(t *testing.T, p programs, flags ...string) *town {
	t.Helper()
	w := &town{world: prepare(t, site(), map[string]string{"FIRST": "127.0.0.1:9"}), programs: p}
	w.daemon = w.start(t, w.places(), append([]string{"gatehouse", "serve"}, flags...)...)
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	return w
}

// dial opens a connection to one of the daemon's sockets.
func (w *town) dial(socket string) *grpc.ClientConn {
	w.t.Helper()
	c, err := grpc.NewClient("unix:"+filepath.Join(w.state, socket), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// heldCheck is a Check that has arrived at the daemon but for its last bytes.
func (w *town) heldCheck(ctx context.Context) grpc.ClientStream {
	w.t.Helper()
	c := w.dial("authz.sock")
	held, err := c.NewStream(ctx, &grpc.StreamDesc{}, authv3.Authorization_Check_FullMethodName)
	if err != nil {
		w.t.Fatal(err)
	}
	// What is answered on the same connection was read after the other's beginning.
	if _, err := authv3.NewAuthorizationClient(c).Check(ctx, &authv3.CheckRequest{}); err != nil {
		w.t.Fatal(err)
	}
	return held
}

// draining waits until the daemon says that it ends.
func (w *town) draining() {
	w.t.Helper()
	w.eventually("the daemon says that it drains", func() bool {
		err := w.admin().Ready(w.t.Context())
		return errors.Is(err, admin.ErrNotReady) && strings.Contains(err.Error(), "draining")
	})
}

// drained ends a daemon with SIGTERM while a Check is under way, an Envoy's stream is open and another one sends its log.
func drained(t *testing.T, p programs) {
	w := serving(t, p, "--drain", patience.String())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held := w.heldCheck(ctx)
	ads, err := discoveryv3.NewAggregatedDiscoveryServiceClient(w.dial("xds.sock")).DeltaAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := ads.Send(&discoveryv3.DeltaDiscoveryRequest{
		Node:    &corev3.Node{Id: "edge-1", Cluster: "edge"},
		TypeUrl: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := ads.Recv(); err != nil {
		t.Fatal(err)
	}
	logs, err := alsv3.NewAccessLogServiceClient(w.dial("accesslog.sock")).StreamAccessLogs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := logs.Send(&alsv3.StreamAccessLogsMessage{}); err != nil {
		t.Fatal(err)
	}

	w.daemon.signal(syscall.SIGTERM)
	w.draining()
	if _, err := ads.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the configuration's stream ended with %v, want %v", err, codes.Unavailable)
	}
	if err := logs.RecvMsg(&alsv3.StreamAccessLogsResponse{}); err != nil && !errors.Is(err, io.EOF) && status.Code(err) != codes.Unavailable {
		t.Errorf("the access log's stream ended with %v", err)
	}
	var answer authv3.CheckResponse
	if err := errors.Join(held.SendMsg(&authv3.CheckRequest{}), held.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if err := held.RecvMsg(&answer); err != nil || answer.GetDeniedResponse() == nil {
		t.Errorf("a Check that was under way is answered with %v, %v", &answer, err)
	}
	if state := w.daemon.wait(); state != "exit status 0" {
		t.Errorf("after SIGTERM the daemon ended with %s", state)
	}
	left, err := filepath.Glob(filepath.Join(w.state, "*.sock"))
	if err != nil || len(left) > 0 {
		t.Errorf("a daemon that ended in good order leaves behind %q, %v", left, err)
	}
}

// secondSignal ends a daemon at once that has something to wait for.
func secondSignal(t *testing.T, p programs) {
	w := serving(t, p, "--drain", "1h")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held := w.heldCheck(ctx)
	w.daemon.signal(syscall.SIGTERM)
	w.draining()
	w.daemon.signal(syscall.SIGTERM)
	if state := w.daemon.wait(); state != "signal: terminated" {
		t.Errorf("after the second SIGTERM the daemon ended with %s", state)
	}
	if err := held.RecvMsg(&authv3.CheckResponse{}); err == nil {
		t.Error("what was under way is answered by a process that has ended")
	}
}

// drainEnds ends a daemon whose drain takes longer than it may.
func drainEnds(t *testing.T, p programs) {
	const drain = 300 * time.Millisecond
	w := serving(t, p, "--drain", drain.String())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w.heldCheck(ctx)
	began := time.Now()
	w.daemon.signal(syscall.SIGTERM)
	state := w.daemon.wait()
	if took := time.Since(began); state != "exit status 1" || took < drain {
		t.Errorf("the daemon ended with %s after %v, want exit status 1 after %v", state, took, drain)
	}
	if want := "authz: calls under way were cut off"; !strings.Contains(w.daemon.out.String(), want) {
		t.Errorf("it does not say what was cut off, %q", want)
	}
	if _, err := os.Lstat(filepath.Join(w.state, "authz.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is left behind: %v", err)
	}
}
