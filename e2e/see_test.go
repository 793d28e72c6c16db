//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const see = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
access-log: ${LOG}
tracing: {to: collector, sample: 100%}
---
kind: Gateway
name: refusals
fleet: edge
listeners: [{name: http, address: 127.0.0.1, port: ${REFUSALS_PORT}}]
access-log: {to: ${REFUSED}, only: refused}
---
kind: Upstream
name: collector
endpoints: [{address: "${COLLECTOR}"}]
protocol: http2
---
kind: Upstream
name: echo
endpoints: [{address: "${ECHO}"}]
---
kind: Issuer
name: nordhaven
issuer: https://login.nordhaven.test
audiences: [payments]
jwks: {file: ./keys.json}
---
kind: API
name: payments
version: v1
expose: [{gateway: edge, base: /payments}, {gateway: refusals, base: /payments}]
authenticate: {jwt: nordhaven}
to: echo
operations: [{id: read, method: GET, path: "/{id}"}]
---
kind: Route
name: website
expose: {gateway: edge}
match: {path: /site/**}
authenticate: none
to: echo
`

// collector takes spans and metrics by OTLP and keeps them.
type collector struct {
	mu      sync.Mutex
	spans   []*tracev1.Span
	names   map[string]bool              // Of services.
	metrics map[string]map[string]string // The attributes of the last point of each, by name.
}

// The calls of OTLP over gRPC. Their requests are a TracesData and a MetricsData on the wire, their answers may be empty.
const (
	exportSpans   = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	exportMetrics = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
)

func (c *collector) export(_ any, stream grpc.ServerStream) error {
	switch method, _ := grpc.MethodFromServerStream(stream); method {
	case exportSpans:
		var data tracev1.TracesData
		if err := stream.RecvMsg(&data); err != nil {
			return err
		}
		c.takeSpans(&data)
	case exportMetrics:
		var data metricsv1.MetricsData
		if err := stream.RecvMsg(&data); err != nil {
			return err
		}
		c.takeMetrics(&data)
	default:
		return status.Error(codes.Unimplemented, method)
	}
	return stream.SendMsg(&emptypb.Empty{})
}

func (c *collector) takeMetrics(data *metricsv1.MetricsData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range data.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				attributes := map[string]string{}
				for _, point := range m.GetSum().GetDataPoints() {
					for _, a := range point.Attributes {
						attributes[a.Key] = a.GetValue().GetStringValue()
					}
				}
				c.metrics[m.Name] = attributes
			}
		}
	}
}

func (c *collector) takeSpans(data *tracev1.TracesData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range data.ResourceSpans {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.Key == "service.name" {
				c.names[a.GetValue().GetStringValue()] = true
			}
		}
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// of returns the spans of a trace.
func (c *collector) of(trace string) []*tracev1.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*tracev1.Span
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == trace {
			out = append(out, s)
		}
	}
	return out
}

// startCollector starts a receiver of spans, and returns where it listens.
func startCollector(t *testing.T) (*collector, string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{names: map[string]bool{}, metrics: map[string]map[string]string{}}
	server := grpc.NewServer(grpc.UnknownServiceHandler(c.export))
	var ended sync.WaitGroup
	ended.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Stop()
		ended.Wait()
	})
	return c, l.Addr().String()
}

// logged returns the lines of an Envoy's log that are there.
func logged(t *testing.T, file string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []map[string]any
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // It is being written.
		}
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, fields)
	}
	return out
}

// TestSee holds what Envoys write themselves: lines of JSON, and spans of which the caller's is the parent.
func TestSee(t *testing.T) {
	t.Parallel()
	keys, err := os.ReadFile(filepath.Join(quickstart, "issuer.jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	spans, at := startCollector(t)
	first, _ := backend(t, "first", "")
	logs := t.TempDir()
	all, refused := filepath.Join(logs, "access.log"), filepath.Join(logs, "refused.log")
	w := prepare(t, map[string]string{"see.yaml": see, "keys.json": string(keys)},
		map[string]string{"ECHO": first, "COLLECTOR": at, "LOG": all, "REFUSED": refused})
	w.otlp = at
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	got := w.get(w.url("PORT", "/payments/alice?secret=1"), token(t, map[string]any{"sub": "alice"}), "user-agent: curl/8", "traceparent: 00-"+trace+"-"+parent+"-01")
	if sent := got.echoed(t).Headers["traceparent"]; len(sent) != 1 || !strings.HasPrefix(sent[0], "00-"+trace+"-") || strings.Contains(sent[0], parent) {
		t.Errorf("the upstream got the traceparent %q", sent)
	}
	w.get(w.url("PORT", "/payments/alice"))
	w.get(w.url("PORT", "/site/a"))
	w.get(w.url("PORT", "/nowhere"))
	w.get(w.url("REFUSALS_PORT", "/payments/alice"), token(t, map[string]any{"sub": "alice"}))
	w.get(w.url("REFUSALS_PORT", "/payments/bob"))

	var lines []map[string]any
	w.eventually("four lines are written", func() bool { lines = logged(t, all); return len(lines) >= 4 })
	rules, _ := lines[0]["rules"].(string)
	if len(rules) != 32 {
		t.Errorf("rules %q", rules)
	}
	for i, want := range []map[string]any{
		{
			"api": "payments", "version": "v1", "operation": "read", "route": "payments/v1/read@" + rules, "status": 200.0, "method": "GET", "path": "/payments/alice",
			"identity": "jwt", "consumer": "alice", "trace_id": trace, "upstream": "echo", "upstream_host": first, "client": "127.0.0.1", "user_agent": "curl/8", "protocol": "HTTP/1.1", "flags": "-",
		},
		{"api": "payments", "version": "v1", "operation": "read", "status": 401.0, "consumer": nil, "upstream_host": nil, "upstream_us": nil},
		{"api": nil, "version": nil, "operation": "website", "status": 200.0, "path": "/site/a"},
		{"api": nil, "operation": nil, "route": "not-found", "rules": nil, "status": 404.0},
	} {
		for field, value := range want {
			if lines[i][field] != value {
				t.Errorf("line %d: %s is %v, want %v", i+1, field, lines[i][field], value)
			}
		}
		for _, field := range []string{"time", "request_id", "bytes_sent", "duration_ms"} {
			if lines[i][field] == nil || lines[i][field] == "" {
				t.Errorf("line %d has no %s", i+1, field)
			}
		}
	}
	if us, ok := lines[0]["upstream_us"].(float64); !ok || us <= 0 {
		t.Errorf("the upstream took %v us", lines[0]["upstream_us"])
	}
	w.eventually("the refusal is written", func() bool { lines = logged(t, refused); return len(lines) >= 1 })
	if lines[0]["path"] != "/payments/bob" || lines[0]["status"] != 401.0 {
		t.Errorf("of the requests one was refused, and logged is %v", lines[0])
	}

	var found []*tracev1.Span
	w.eventually("the spans of the request and of its call arrive", func() bool { found = spans.of(trace); return len(found) >= 2 })
	kinds := map[tracev1.Span_SpanKind]*tracev1.Span{}
	for _, s := range found {
		kinds[s.Kind] = s
	}
	server, client := kinds[tracev1.Span_SPAN_KIND_SERVER], kinds[tracev1.Span_SPAN_KIND_CLIENT]
	if server == nil || client == nil {
		t.Fatalf("spans: %v", found)
	}
	if hex.EncodeToString(server.ParentSpanId) != parent || !bytes.Equal(client.ParentSpanId, server.SpanId) || !strings.HasPrefix(server.Name, "payments/v1/read@") {
		t.Errorf("the span %q has the parent %x, its call the parent %x", server.Name, server.ParentSpanId, client.ParentSpanId)
	}
	if spans.mu.Lock(); !spans.names["gatehouse-edge"] {
		t.Errorf("services: %v", spans.names)
	}
	spans.mu.Unlock()
	w.eventually("metrics arrive", func() bool {
		spans.mu.Lock()
		defer spans.mu.Unlock()
		return spans.metrics["envoy.http.downstream_rq"] != nil || spans.metrics["envoy.http.downstream_rq_completed"] != nil
	})
	spans.mu.Lock()
	defer spans.mu.Unlock()
	if fleet := spans.metrics["envoy.http.downstream_rq_completed"]["gatehouse.fleet"]; fleet != "edge" {
		t.Errorf("requests are reported of the fleet %q: %v", fleet, slices.Sorted(maps.Keys(spans.metrics)))
	}
}
