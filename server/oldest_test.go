package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// TestTooOldEnvoyIsTold connects an Envoy that is older than what it is sent is known to be understood by: the management API and
// the metrics say so, and it is served.
func TestTooOldEnvoyIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "gateway.yaml", gatewayDocument)
	s := start(t, server.Options{Config: dir, State: needs.SocketDir(t)})
	connection, err := grpc.NewClient(s.Addrs().XDS, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(connection).DeltaAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	node := &corev3.Node{Id: "edge-1", Cluster: "edge", UserAgentVersionType: &corev3.Node_UserAgentBuildVersion{
		UserAgentBuildVersion: &corev3.BuildVersion{Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 36, Patch: 4}},
	}}
	if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: cache.TypeListener}); err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); err != nil || len(got.GetResources()) == 0 {
		t.Errorf("it is sent %v, %v", got, err)
	}
	nodes, err := client(t, s).Nodes(t.Context(), "edge")
	if err != nil || len(nodes) != 1 || !strings.Contains(nodes[0].Warning, "1.36.4 is older than "+envoy.Oldest) {
		t.Errorf("of the node is told %+v, %v", nodes, err)
	}
	const metric = `gatehouse_nodes_too_old{fleet="edge"} `
	if text := metrics(t, s.Addrs().Admin); !strings.Contains(text, metric+"1\n") {
		t.Errorf("there is no %s1 in the metrics", metric)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has gone", func() bool {
		nodes, err := client(t, s).Nodes(t.Context(), "edge")
		return err == nil && nodes[0].State == admin.Disconnected
	})
	if text := metrics(t, s.Addrs().Admin); !strings.Contains(text, metric+"0\n") {
		t.Error("it counts on after it has gone")
	}
}

// metrics returns what Prometheus reads at the management API's address.
func metrics(t *testing.T, address string) string {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(address, envoy.SocketScheme))
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://admin/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("metrics: %d, %v", response.StatusCode, err)
	}
	return string(text)
}
