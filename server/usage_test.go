package server_test

import (
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/store"
)

// report sends a server what an Envoy would of some requests, and returns when it has counted them.
func report(t *testing.T, s *server.Server, status uint32, requests int) {
	t.Helper()
	conn, err := grpc.NewClient(s.Addrs().AccessLog, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := alsv3.NewAccessLogServiceClient(conn).StreamAccessLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries := make([]*datav3.HTTPAccessLogEntry, requests)
	for i := range entries {
		entries[i] = &datav3.HTTPAccessLogEntry{
			CommonProperties: &datav3.AccessLogCommon{StartTime: timestamppb.Now(), TimeToLastDownstreamTxByte: durationpb.New(20 * time.Millisecond)},
			Request:          &datav3.HTTPRequestProperties{RequestMethod: corev3.RequestMethod_GET},
			Response:         &datav3.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(status), ResponseBodyBytes: 100},
		}
	}
	err = stream.Send(&alsv3.StreamAccessLogsMessage{
		Identifier: &alsv3.StreamAccessLogsMessage_Identifier{Node: nodeNamed("edge-1"), LogName: envoy.AccessLogName},
		LogEntries: &alsv3.StreamAccessLogsMessage_HttpLogs{HttpLogs: &alsv3.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
}

// TestUsageOutlivesTheDaemon counts in two daemons, one after the other, over one store.
func TestUsageOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "gateway.yaml", gatewayDocument)
	o := server.Options{Config: dir, State: needs.SocketDir(t), Store: store.Options{Dir: t.TempDir()}}
	for _, requests := range []int{3, 4} {
		s := start(t, o)
		report(t, s, 200, requests)
		report(t, s, 404, 1)
		stop(t, s)
	}
	s := start(t, o)
	report(t, s, 200, 5) // Not written yet.
	got, err := client(t, s).Usage(t.Context(), admin.UsageQuery{API: "none"})
	if err != nil || len(got) != 2 {
		t.Fatalf("usage: %+v, %v", got, err)
	}
	if ok := got[0]; ok.Class != "2xx" || ok.Requests != 7 || ok.BytesOut != 700 || ok.Timed != 7 || ok.Latency < 0.139 || ok.Latency > 0.141 {
		t.Errorf("good ones: %+v", ok)
	}
	if bad := got[1]; bad.Class != "4xx" || bad.Requests != 2 {
		t.Errorf("bad ones: %+v", bad)
	}
	hourly, err := client(t, s).Usage(t.Context(), admin.UsageQuery{Hourly: true, Since: time.Now().Add(-2 * time.Hour)})
	if err != nil || len(hourly) < 2 || hourly[0].Hour.IsZero() {
		t.Errorf("hour by hour: %+v, %v", hourly, err)
	}
	if future, err := client(t, s).Usage(t.Context(), admin.UsageQuery{Since: time.Now().Add(time.Hour)}); err != nil || len(future) != 0 {
		t.Errorf("of the future: %+v, %v", future, err)
	}
}
