package ratelimit_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/gateway"
)

// serveAs is the environment variable that makes the test binary a server for a benchmark: "KIND SOCKET".
const serveAs = "GATEHOUSE_TEST_SERVE"

func TestMain(m *testing.M) {
	if kind, path, found := strings.Cut(os.Getenv(serveAs), " "); found {
		serveForBenchmark(kind, path)
		return
	}
	os.Exit(m.Run())
}

// empty is the floor: a server that answers at once.
type empty struct{}

func (empty) ShouldRateLimit(context.Context, *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	return &rlsv3.RateLimitResponse{OverallCode: ok}, nil
}

func benchmarked() *gateway.Documents {
	docs := payments([]gateway.Limit{
		{Name: "per-customer", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 1 << 31, Per: time.Minute}}},
		{Name: "all", Windows: []gateway.Window{{Limit: 1 << 31, Per: time.Minute}}},
		{Name: "never", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 1, Per: time.Hour}}},
	}, nil)
	docs.Gateways[0].LimitHeaders = gateway.LimitHeadersDraft
	return docs
}

// serveForBenchmark serves until standard input ends, and prints the CPU time that the process has used meanwhile.
func serveForBenchmark(kind, path string) {
	var service rlsv3.RateLimitServiceServer = empty{}
	t := &testing.B{}
	if kind == "gatehouse" {
		service = start(t, benchmarked()).Service
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer()
	rlsv3.RegisterRateLimitServiceServer(server, service)
	go func() { _ = server.Serve(listener) }()
	fmt.Fprintln(os.Stdout, cpu())
	in := bufio.NewReader(os.Stdin)
	for _, err = in.ReadString('\n'); err == nil; _, err = in.ReadString('\n') {
		fmt.Fprintln(os.Stdout, cpu())
	}
	server.Stop()
}

func cpu() int64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// child is a server in a process of its own.
type child struct {
	client rlsv3.RateLimitServiceClient
	in     io.Writer
	out    *bufio.Reader
}

func spawn(b *testing.B, kind string) *child {
	b.Helper()
	path := filepath.Join(b.TempDir(), "s")
	command := exec.CommandContext(b.Context(), os.Args[0])
	command.Env = append(os.Environ(), serveAs+"="+kind+" "+path)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = command.Wait()
	})
	c := &child{in: in, out: bufio.NewReader(out)}
	c.read(b)
	c.client = connect(b, path)
	return c
}

func (c *child) read(b *testing.B) (ns int64) {
	b.Helper()
	if _, err := fmt.Fscanln(c.out, &ns); err != nil {
		b.Fatalf("the server ended: %v", err)
	}
	return ns
}

func (c *child) cpu(b *testing.B) int64 {
	b.Helper()
	fmt.Fprintln(c.in)
	return c.read(b)
}

// load makes n calls, 16 in flight on one connection.
func (c *child) load(b *testing.B, n int, req *rlsv3.RateLimitRequest) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for next.Add(1) <= int64(n) {
				if _, err := c.client.ShouldRateLimit(b.Context(), req); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkServer reports the server's CPU time for a call, of the empty server too, in the same run and in turn.
func BenchmarkServer(b *testing.B) {
	r := start(b, benchmarked())
	alice := r.descriptor(b, "get", "per-customer", "token.sub", "alice")
	for name, req := range map[string]*rlsv3.RateLimitRequest{
		"one descriptor":  request(alice),
		"two descriptors": request(alice, r.descriptor(b, "get", "all")),
		"four descriptors": request(alice, r.descriptor(b, "get", "all"),
			r.descriptor(b, "get", "per-customer", "token.sub", "bob"), r.descriptor(b, "list", "per-customer", "token.sub", "carol")),
		"over the limit": request(r.descriptor(b, "get", "never", "token.sub", "alice")),
	} {
		b.Run(name, func(b *testing.B) {
			floor, gatehouse := spawn(b, "empty"), spawn(b, "gatehouse")
			floor.load(b, 2_000, req)
			gatehouse.load(b, 2_000, req)
			const turn = 4_000
			rounds := max(b.N/turn, 1)
			var spent [2]int64
			b.ResetTimer()
			for range rounds {
				for i, c := range []*child{floor, gatehouse} {
					before := c.cpu(b)
					c.load(b, turn, req)
					spent[i] += c.cpu(b) - before
				}
			}
			calls := float64(rounds * turn)
			b.ReportMetric(float64(spent[0])/calls, "floor-cpu-ns/call")
			b.ReportMetric(float64(spent[1])/calls, "cpu-ns/call")
			b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
		})
	}
}

func BenchmarkShouldRateLimit(b *testing.B) {
	r := start(b, benchmarked())
	for name, limit := range map[string]string{"ok": "per-customer", "over": "never"} {
		b.Run(name, func(b *testing.B) {
			req := request(r.descriptor(b, "get", limit, "token.sub", "alice"))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ShouldRateLimit(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
