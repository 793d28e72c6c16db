package cache

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// patience is how long a test waits for an event that must come.
const patience = 10 * time.Second

// events is a slog handler that hands each record to a test.
type events struct {
	slog.Handler
	attrs   []slog.Attr
	records chan slog.Record
}

func newEvents() *events {
	return &events{Handler: slog.DiscardHandler, records: make(chan slog.Record, 1000)}
}

func (e *events) Enabled(context.Context, slog.Level) bool { return true }

func (e *events) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &events{Handler: e.Handler, attrs: slices.Concat(e.attrs, attrs), records: e.records}
}

func (e *events) Handle(_ context.Context, r slog.Record) error {
	r.AddAttrs(e.attrs...)
	e.records <- r
	return nil
}

// await returns the attributes of the next record with this message.
func (e *events) await(t *testing.T, message string) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case r := <-e.records:
			if r.Message != message {
				continue
			}
			attrs := map[string]any{}
			r.Attrs(func(a slog.Attr) bool {
				attrs[a.Key] = a.Value.Any()
				return true
			})
			return attrs
		case <-deadline:
			t.Fatalf("%q was not logged", message)
		}
	}
}

// serving is a Server behind a Unix socket.
type serving struct {
	*Server
	events *events
	socket string
	stop   func()
}

// serve starts a Server; it stops with the test, or by stop.
func serve(t *testing.T, settings Settings) *serving {
	t.Helper()
	s := &serving{events: newEvents(), socket: filepath.Join(needs.SocketDir(t), "xds")}
	settings.Log = slog.New(s.events)
	s.Server = New(settings)
	s.listen(t)
	return s
}

// listen makes the Server answer on its socket.
func (s *serving) listen(t *testing.T) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), patience) //nolint:usetesting // the test's context has ended when it cleans up
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(s.stop)
}

// dial opens a delta stream to the server.
func (s *serving) dial(t *testing.T) discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient {
	t.Helper()
	stream, err := s.client(t).DeltaAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func (s *serving) client(t *testing.T) discoveryv3.AggregatedDiscoveryServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+s.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return discoveryv3.NewAggregatedDiscoveryServiceClient(conn)
}

// edgeNode is what an Envoy says of itself.
func edgeNode(fleet, name string) *corev3.Node {
	return &corev3.Node{
		Id: name, Cluster: fleet,
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			envoy.KeyBootstrap: structpb.NewStringValue(envoy.BootstrapVersion),
		}},
		UserAgentVersionType: &corev3.Node_UserAgentBuildVersion{UserAgentBuildVersion: &corev3.BuildVersion{
			Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 40},
		}},
	}
}

// hello is a first request, for all clusters.
func hello(fleet, name string) *discoveryv3.DeltaDiscoveryRequest {
	return &discoveryv3.DeltaDiscoveryRequest{Node: edgeNode(fleet, name), TypeUrl: TypeCluster}
}

type deltaClient = discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient

func say(t *testing.T, c deltaClient, req *discoveryv3.DeltaDiscoveryRequest) {
	t.Helper()
	if err := c.Send(req); err != nil {
		t.Fatal(err)
	}
}

// hear returns the next response.
func hear(t *testing.T, c deltaClient) *discoveryv3.DeltaDiscoveryResponse {
	t.Helper()
	response, err := c.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func accepts(t *testing.T, c deltaClient, r *discoveryv3.DeltaDiscoveryResponse) {
	t.Helper()
	say(t, c, &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()})
}

func refuses(t *testing.T, c deltaClient, r *discoveryv3.DeltaDiscoveryResponse, text string) {
	t.Helper()
	say(t, c, &discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce(),
		ErrorDetail: &rpcstatus.Status{Code: 13, Message: text},
	})
}

// opens asks for a type as a client does that has the given versions.
func opens(t *testing.T, c deltaClient, typeURL string, held map[string]string, names ...string) {
	t.Helper()
	say(t, c, &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL, InitialResourceVersions: held, ResourceNamesSubscribe: names})
}
