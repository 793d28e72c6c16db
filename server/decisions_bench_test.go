package server

import (
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// BenchmarkDecisionLog tells what a Check costs with no log, with a journal and a file, and with the input in both: cpu-ns/op is all of the
// process, the writing goroutines among it.
func BenchmarkDecisionLog(b *testing.B) {
	for _, c := range []struct {
		name       string
		log, input bool
	}{{name: "none"}, {name: "log", log: true}, {name: "input", log: true, input: true}} {
		b.Run(c.name, func(b *testing.B) { benchmarkLog(b, c.log, c.input) })
	}
}

func benchmarkLog(b *testing.B, with, input bool) {
	o := authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: time.Minute}
	var log *decisions.Log
	if with {
		dir := b.TempDir()
		journal, err := decisions.OpenJournal(dir, 0, time.Now)
		if err != nil {
			b.Fatal(err)
		}
		lines, err := decisions.OpenFile(filepath.Join(dir, "decisions.jsonl"), 100<<20, 1)
		if err != nil {
			b.Fatal(err)
		}
		log = decisions.New(decisions.Options{
			Logger: o.Logger, Journal: journal, Lines: lines, Queue: 1 << 20, Bytes: 1 << 40,
			Settings: func(string) decisions.Settings { return decisions.Settings{Input: input} },
		})
		o.Recorder = recorderOf{log}
	}
	s := authz.New(o)
	table, faults := authz.Compile(&gateway.Revision{Routes: []*gateway.Route{{
		Name: "payments/v1/get", API: "payments", Version: "v1", Operation: "get", Action: gateway.ActionForward, Public: true, Rules: "r1",
		Authorize: []gateway.AppliedPolicy{{Policy: &gateway.Policy{Name: "p", Source: "package p\nallow if input.attributes.request.http.method == \"GET\""}}},
	}}}, nil)
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	s.Use(table)
	check := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{envoy.KeyRules: "r1"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: "/payments/alice?x=1", Host: "api.bank.test", Scheme: "http", Protocol: "HTTP/1.1",
			Headers: map[string]string{
				":authority": "api.bank.test", ":method": "GET", ":path": "/payments/alice?x=1", ":scheme": "http", "accept": "*/*",
				"accept-encoding": "gzip, br", "accept-language": "de-CH,de;q=0.9,en;q=0.8", "authorization": "Bearer x.y.z",
				"user-agent": "curl/8.14.1", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http",
				"x-request-id": "6d7a5e9f-6b8c-4a53-9a15-8bd8e0f2d7a1",
			},
		}},
	}}
	ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs(envoy.HeaderNode, "edge/edge-1"))
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		_, _ = s.Check(ctx, check)
	}
	if log != nil {
		if err := log.Stop(ctx); err != nil {
			b.Fatal(err)
		}
		if c := log.Counts(); c.Dropped > 0 {
			b.Fatalf("%+v", c)
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// recorderOf records into a log.
type recorderOf struct{ log *decisions.Log }

func (r recorderOf) Record(d *authz.Decided) { r.log.Put(d) }

// cpu returns the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
