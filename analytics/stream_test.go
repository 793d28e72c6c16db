package analytics_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// entry returns an entry of a request of the payments API that an upstream answered.
func entry(operation, rules string, code uint32, latency time.Duration) *datav3.HTTPAccessLogEntry {
	return &datav3.HTTPAccessLogEntry{
		CommonProperties: &datav3.AccessLogCommon{
			TimeToLastDownstreamTxByte: durationpb.New(latency),
			RouteName:                  envoy.RouteName("payments/v1/"+operation, rules),
		},
		Request: &datav3.HTTPRequestProperties{RequestMethod: corev3.RequestMethod_GET, RequestBodyBytes: 10},
		Response: &datav3.HTTPResponseProperties{
			ResponseCode: wrapperspb.UInt32(code), ResponseCodeDetails: "via_upstream", ResponseBodyBytes: 100,
		},
	}
}

// from adds an identifier to a message.
func from(m *alsv3.StreamAccessLogsMessage, fleet, node, log string) *alsv3.StreamAccessLogsMessage {
	m.Identifier = &alsv3.StreamAccessLogsMessage_Identifier{
		Node: &corev3.Node{Cluster: fleet, Id: node}, LogName: log,
	}
	return m
}

// total asks for one total.
func total(t testing.TB, s *analytics.Service, q analytics.Query) analytics.Total {
	t.Helper()
	totals, err := s.Query(q)
	if err != nil || len(totals) != 1 {
		t.Fatalf("query %+v: %d totals, error %v, want one total", q, len(totals), err)
	}
	return totals[0]
}

// TestStreamIdentity sees whose the entries of a stream are, over real gRPC.
func TestStreamIdentity(t *testing.T) {
	t.Parallel()
	one := func() *alsv3.StreamAccessLogsMessage { return batch(entry("get", "r1", 200, time.Millisecond)) }
	tcp := &alsv3.StreamAccessLogsMessage{LogEntries: &alsv3.StreamAccessLogsMessage_TcpLogs{
		TcpLogs: &alsv3.StreamAccessLogsMessage_TCPAccessLogEntries{LogEntry: []*datav3.TCPAccessLogEntry{{}, {}}},
	}}
	intermediate := entry("get", "r1", 200, time.Millisecond)
	intermediate.CommonProperties.AccessLogType = datav3.AccessLogType_DownstreamStart
	type messages = []*alsv3.StreamAccessLogsMessage
	type want struct {
		Fleet, Node                string
		Counted, Received, Ignored uint64
	}
	cases := map[string]struct {
		header   string
		messages messages
		want     want
	}{
		"header":                   {"edge/edge-1", messages{one(), one()}, want{"edge", "edge-1", 2, 2, 0}},
		"header before identifier": {"edge/edge-1", messages{from(one(), "x", "y", "gatehouse")}, want{"edge", "edge-1", 1, 1, 0}},
		"identifier":               {"", messages{from(one(), "edge", "edge-2", "gatehouse"), one()}, want{"edge", "edge-2", 2, 2, 0}},
		"nobody":                   {"", messages{one()}, want{"none", "none", 1, 1, 0}},
		"only a fleet":             {"edge", messages{one()}, want{"edge", "none", 1, 1, 0}},
		"slash in the node's name": {"edge/a/b", messages{one()}, want{"edge", "a/b", 1, 1, 0}},
		"another log":              {"edge/edge-1", messages{from(one(), "edge", "edge-1", "theirs"), one()}, want{"", "", 0, 2, 2}},
		"TCP":                      {"edge/edge-1", messages{tcp, one()}, want{"edge", "edge-1", 1, 3, 2}},
		"intermediate":             {"edge/edge-1", messages{batch(intermediate), one()}, want{"edge", "edge-1", 1, 2, 1}},
		"without entries":          {"edge/edge-1", messages{{}, batch(), one()}, want{"edge", "edge-1", 1, 1, 0}},
		"with an empty one":        {"edge/edge-1", messages{batch(nil, &datav3.HTTPAccessLogEntry{})}, want{"edge", "edge-1", 2, 2, 0}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, analytics.Options{}, route("get", "r1"))
			send(t, dial(t, s), c.header, c.messages...)
			stats := s.Stats()
			got := want{Received: stats.Received, Ignored: stats.Ignored}
			totals, err := s.Query(analytics.Query{By: []analytics.Dimension{analytics.ByFleet, analytics.ByNode}})
			if err != nil {
				t.Fatalf("query: %v", err)
			}
			for _, total := range totals {
				got.Fleet, got.Node, got.Counted = total.Fleet, total.Node, got.Counted+total.Requests
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// send sends messages on one stream and waits until the service has ended it.
func send(t testing.TB, client alsv3.AccessLogServiceClient, node string, messages ...*alsv3.StreamAccessLogsMessage) {
	t.Helper()
	stream, err := client.StreamAccessLogs(as(t, node))
	if err != nil {
		t.Fatalf("open a stream: %v", err)
	}
	for _, m := range messages {
		if err := stream.Send(m); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatalf("end the stream: %v", err)
	}
}

// TestStop sees that what had been sent when Stop is called is counted, and that streams then end well and stay closed.
func TestStop(t *testing.T) {
	t.Parallel()
	const batches, size, streams = 50, 20, 3
	s := newService(t, analytics.Options{Linger: 500 * time.Millisecond}, route("get", "r1"))
	client := dial(t, s)
	var open []alsv3.AccessLogService_StreamAccessLogsClient
	for i := range streams {
		stream, err := client.StreamAccessLogs(as(t, fmt.Sprintf("edge/edge-%d", i)))
		if err != nil {
			t.Fatalf("open a stream: %v", err)
		}
		open = append(open, stream)
	}
	until(t, "all streams are open", func() bool { return s.Stats().Streams == streams })
	for _, stream := range open {
		for range batches {
			full := make([]*datav3.HTTPAccessLogEntry, size)
			for i := range full {
				full[i] = entry("get", "r1", 200, time.Millisecond)
			}
			if err := stream.Send(batch(full...)); err != nil {
				t.Fatalf("send: %v", err)
			}
		}
	}
	if err := s.Stop(as(t, "")); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if got := total(t, s, analytics.Query{}).Requests; got != batches*size*streams {
		t.Errorf("counted %d requests, %d had been sent", got, batches*size*streams)
	}
	for _, stream := range open {
		if err := stream.RecvMsg(&alsv3.StreamAccessLogsResponse{}); err != nil {
			t.Errorf("an open stream ended with %v, want an answer", err)
		}
	}
	if got := s.Stats().Streams; got != 0 {
		t.Errorf("%d streams are open after Stop", got)
	}
	late, err := client.StreamAccessLogs(as(t, "edge/edge-1"))
	if err != nil {
		t.Fatalf("open a stream: %v", err)
	}
	if _, err := late.CloseAndRecv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a stream opened after Stop ended with %v, want UNAVAILABLE", err)
	}
}

// TestStopGivesUp sees that Stop waits no longer than its context for a stream that cannot end.
func TestStopGivesUp(t *testing.T) {
	t.Parallel()
	busy, release := make(chan struct{}), make(chan struct{})
	s := newService(t, analytics.Options{Records: func([]analytics.Record) { close(busy); <-release }}, route("get", "r1"))
	t.Cleanup(func() { close(release) })
	stream, err := dial(t, s).StreamAccessLogs(as(t, "edge/edge-1"))
	if err != nil {
		t.Fatalf("open a stream: %v", err)
	}
	if err := stream.Send(batch(entry("get", "r1", 200, time.Millisecond))); err != nil {
		t.Fatalf("send: %v", err)
	}
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); err == nil {
		t.Error("stop returned without an error while a stream was busy")
	}
}

// TestPanic sees that a panic ends its own stream only.
func TestPanic(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	s := newService(t, analytics.Options{Records: func(b []analytics.Record) {
		if b[0].Node == "bad" && armed.Load() {
			_ = b[len(b)] // out of range
		}
	}}, route("get", "r1"))
	client := dial(t, s)
	good, err := client.StreamAccessLogs(as(t, "edge/good"))
	if err != nil {
		t.Fatalf("open a stream: %v", err)
	}
	one := batch(entry("get", "r1", 200, time.Millisecond))
	if err := good.Send(one); err != nil {
		t.Fatalf("send: %v", err)
	}
	armed.Store(true)
	bad, err := client.StreamAccessLogs(as(t, "edge/bad"))
	if err != nil {
		t.Fatalf("open a stream: %v", err)
	}
	if err := bad.Send(one); err != nil {
		t.Fatalf("send: %v", err)
	}
	if err := bad.RecvMsg(&alsv3.StreamAccessLogsResponse{}); status.Code(err) != codes.Internal {
		t.Errorf("the stream with the panic ended with %v, want INTERNAL", err)
	}
	armed.Store(false)
	send(t, client, "edge/bad", one)
	if err := good.Send(one); err != nil {
		t.Errorf("send on the other stream: %v", err)
	}
	if _, err := good.CloseAndRecv(); err != nil {
		t.Errorf("the other stream ended with %v", err)
	}
	if got := s.Stats(); got.Failed != 1 || got.Received != 4 {
		t.Errorf("%d streams failed, %d entries received; want 1 and 4", got.Failed, got.Received)
	}
}

// TestManyStreams counts on many streams at once, while tables change, rollups fold and others read.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	const streams, batches, size = 8, 40, 25
	s := newService(t, analytics.Options{MaxSeries: 64}, route("get", "r1"))
	client := dial(t, s)
	tables := make([]*analytics.Table, 2)
	tables[0], _ = analytics.Compile(&gateway.Revision{Routes: []*gateway.Route{route("get", "r1")}}, nil)
	tables[1], _ = analytics.Compile(&gateway.Revision{Routes: []*gateway.Route{route("get", "r2")}}, tables[0])
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	readers.Go(func() {
		var before uint64
		for i := 0; ; i++ {
			s.Use(tables[i%len(tables)])
			var now uint64
			for _, c := range s.Requests() {
				now += c.Requests
			}
			if now < before {
				t.Errorf("the counters went back from %d to %d", before, now)
			}
			before = now
			_ = total0(s)
			_, _, _ = s.Latencies(), s.LetThrough(), s.Stats()
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := range streams {
		writers.Go(func() {
			var messages []*alsv3.StreamAccessLogsMessage
			for j := range batches {
				full := make([]*datav3.HTTPAccessLogEntry, size)
				for k := range full {
					full[k] = entry("get", fmt.Sprintf("r%d", k%3), uint32(200+100*(j%4)), time.Duration(k)*time.Millisecond)
				}
				messages = append(messages, batch(full...))
			}
			send(t, client, fmt.Sprintf("edge/edge-%d", i), messages...)
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if got := total(t, s, analytics.Query{}).Requests; got != streams*batches*size {
		t.Errorf("counted %d requests, %d were sent", got, streams*batches*size)
	}
}

func total0(s *analytics.Service) []analytics.Total {
	totals, _ := s.Query(analytics.Query{Quantiles: []float64{0.5}})
	return totals
}
