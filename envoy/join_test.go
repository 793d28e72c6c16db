package envoy_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// joined is what an Envoy says of itself when it opens the stream.
type joined struct {
	node   *corev3.Node
	header []string
}

// empty answers every delta ADS stream with an empty configuration and tells who opened it.
type empty struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	joined chan joined
}

func (e *empty) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	for first := true; ; first = false {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		if first {
			header, _ := metadata.FromIncomingContext(stream.Context())
			e.joined <- joined{request.GetNode(), header.Get(envoy.HeaderNode)}
		}
		if request.GetResponseNonce() != "" {
			continue // the ACK of what follows
		}
		answer := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: request.GetTypeUrl(), Nonce: "1"}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// serve runs the service on a Unix socket until the returned function is called or the test ends.
func (e *empty) serve(t *testing.T, socket string) func() {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, e)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return server.Stop
}

// next waits for the next stream that an Envoy opens.
func (e *empty) next(t *testing.T) joined {
	t.Helper()
	select {
	case j := <-e.joined:
		return j
	case <-time.After(patience):
		t.Fatal("no Envoy opened a stream")
		return joined{}
	}
}

// nasty are label values that a YAML parser could take for something else than a string.
func nasty() map[string]string {
	labels := map[string]string{"last": "two\nlines\ttab \"quote\" 'single' \\ % {} [] é ☃"}
	for i, value := range strings.Fields(
		"on off y N yes No true FALSE null Null ~ 0 1 -1 +1 1.0 .5 1e3 0x1f 0o17 0b1 1_000 nan .inf inf Infinity 2026-11-23 12:30:45 = << !x &a *a # - ? : @ ` %a a:b a# v1.2 e5 edge-1") {
		labels[fmt.Sprintf("n%02d", i)] = value
	}
	labels["empty"] = ""
	return labels
}

func TestJoin(t *testing.T) {
	t.Parallel()
	binary := needs.Envoy(t)
	dir := needs.SocketDir(t)
	settings := envoy.Settings{
		Fleet: "edge", Node: "edge-1", Zone: "eu-1a", Labels: map[string]string{"tier": "gold"}, Dir: filepath.Join(dir, "edge-1"),
	}
	socket, moved := filepath.Join(dir, "xds.sock"), filepath.Join(dir, "moved.sock")
	gatehouse := &empty{joined: make(chan joined, 8)}
	stop := gatehouse.serve(t, socket)
	bootstrap, err := envoy.Prepare(settings, envoy.Services{XDS: []string{envoy.SocketScheme + socket}})
	if err != nil {
		t.Fatal(err)
	}

	child := launch(t, envoy.Start{
		Binary: binary, Bootstrap: bootstrap, Admin: settings.AdminSocket(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	checkJoined(t, settings, gatehouse.next(t))
	checkStats(t, child)

	stop()
	restarted := time.Now()
	stop = gatehouse.serve(t, socket)
	checkJoined(t, settings, gatehouse.next(t))
	t.Logf("back %v after a restart on the same socket", time.Since(restarted))

	stop()
	gatehouse.serve(t, moved)
	if err := envoy.WriteEndpoints(settings, envoy.Services{XDS: []string{envoy.SocketScheme + moved}}); err != nil {
		t.Fatal(err)
	}
	rewritten := time.Now()
	checkJoined(t, settings, gatehouse.next(t))
	t.Logf("back %v after the endpoints named another socket", time.Since(rewritten))
}

// checkJoined compares what an Envoy said with the settings of TestJoin.
func checkJoined(t *testing.T, s envoy.Settings, j joined) {
	t.Helper()
	if diff := cmp.Diff([]string{"edge/edge-1"}, j.header); diff != "" {
		t.Errorf("header %s (-want +got):\n%s", envoy.HeaderNode, diff)
	}
	got := []string{j.node.GetCluster(), j.node.GetId(), j.node.GetLocality().GetZone()}
	if diff := cmp.Diff([]string{"edge", "edge-1", "eu-1a"}, got); diff != "" {
		t.Errorf("node (-want +got):\n%s", diff)
	}
	want := map[string]any{envoy.KeyAdmin: s.AdminSocket(), envoy.KeyBootstrap: envoy.BootstrapVersion, envoy.KeyLabels: map[string]any{"tier": "gold"}}
	if diff := cmp.Diff(want, j.node.GetMetadata().AsMap()); diff != "" {
		t.Errorf("node metadata (-want +got):\n%s", diff)
	}
}

// checkStats sees to it that a cluster in use has the statistics somebody asks for, and not the bulk.
func checkStats(t *testing.T, child *envoy.Child) {
	t.Helper()
	stats, err := child.Admin().Stats(t.Context(), `cluster\.gatehouse_xds\..*`)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"membership_healthy", "membership_total", "upstream_rq_total", "upstream_cx_active", "upstream_rq_timeout"} {
		if _, there := stats["cluster.gatehouse_xds."+name]; !there {
			t.Errorf("statistic %s is missing", name)
		}
	}
	if len(stats) > 50 {
		t.Errorf("a cluster has %d statistics, want at most 50: %v", len(stats), slices.Sorted(maps.Keys(stats)))
	}
}

func TestLabelsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	binary := needs.Envoy(t)
	dir := needs.SocketDir(t)
	settings := envoy.Settings{Fleet: "edge", Node: "on", Labels: nasty(), Dir: dir}
	socket := filepath.Join(dir, "xds.sock")
	gatehouse := &empty{joined: make(chan joined, 8)}
	gatehouse.serve(t, socket)
	bootstrap, err := envoy.Prepare(settings, envoy.Services{XDS: []string{envoy.SocketScheme + socket}})
	if err != nil {
		t.Fatal(err)
	}
	launch(t, envoy.Start{
		Binary: binary, Bootstrap: bootstrap, Admin: settings.AdminSocket(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	node := gatehouse.next(t).node
	if node.GetId() != "on" {
		t.Errorf("node %q, want on", node.GetId())
	}
	got := make(map[string]string)
	for key, value := range node.GetMetadata().GetFields()[envoy.KeyLabels].GetStructValue().GetFields() {
		got[key] = value.GetStringValue()
	}
	if diff := cmp.Diff(settings.Labels, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestPrepareKeepsFilesToTheOwner(t *testing.T) {
	t.Parallel()
	settings := plain()
	settings.Dir = filepath.Join(t.TempDir(), "edge-1")
	bootstrap, err := envoy.Prepare(settings, everywhere())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{bootstrap: 0o600, settings.EndpointsDir(): 0o700, settings.Dir: 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s is %o, want %o", filepath.Base(path), got, want)
		}
	}
}

func TestWaitReadyEndsWithItsContextWhileGatehouseIsAway(t *testing.T) {
	t.Parallel()
	binary := needs.Envoy(t)
	settings := envoy.Settings{Fleet: "edge", Node: "edge-1", Dir: needs.SocketDir(t)}
	bootstrap, err := envoy.Prepare(settings, envoy.Services{})
	if err != nil {
		t.Fatal(err)
	}
	child, err := envoy.Launch(t.Context(), envoy.Start{
		Binary: binary, Bootstrap: bootstrap, Admin: settings.AdminSocket(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Stop(context.WithoutCancel(t.Context()), 0) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	eventually(ctx, t, "the admin says that there is no configuration yet", func() bool {
		_, err := child.Admin().Get(ctx, "/ready")
		return err != nil && strings.Contains(err.Error(), "PRE_INITIALIZING")
	})
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := child.WaitReady(short); err == nil || child.Err() != nil {
		t.Errorf("without a configuration WaitReady returns %v, and the Envoy's end is %v", err, child.Err())
	}
}
