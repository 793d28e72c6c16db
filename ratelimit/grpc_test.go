package ratelimit_test

import (
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/gateway"
)

// dial serves a service on a Unix socket until the test ends and returns a client of it.
func dial(t testing.TB, service rlsv3.RateLimitServiceServer) rlsv3.RateLimitServiceClient {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ratelimit.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	rlsv3.RegisterRateLimitServiceServer(server, service)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return connect(t, path)
}

func connect(t testing.TB, path string) rlsv3.RateLimitServiceClient {
	t.Helper()
	connection, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := connection.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return rlsv3.NewRateLimitServiceClient(connection)
}

func TestConcurrentCallsOverASocket(t *testing.T) {
	const limit, clients = 200, 10
	l := perCustomer()
	l.Windows[0].Limit = limit
	all := gateway.Limit{Name: "all", Windows: []gateway.Window{{Limit: 2 * limit, Per: time.Hour}}}
	r := start(t, payments([]gateway.Limit{l, all}, nil))
	client := dial(t, r.Service)
	var admitted, refused atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			req := request(r.descriptor(t, "list", "all"), r.descriptor(t, "get", "per-customer", "token.sub", "alice"))
			for range limit {
				resp, err := client.ShouldRateLimit(t.Context(), req)
				switch {
				case err != nil:
					t.Error(err)
					return
				case resp.GetOverallCode() == ok:
					admitted.Add(1)
				case len(resp.GetResponseHeadersToAdd()) == 1:
					refused.Add(1)
				}
			}
		})
	}
	group.Wait()
	if admitted.Load() != limit || refused.Load() != limit*(clients-1) {
		t.Errorf("%d admitted and %d refused of %d, want %d admitted", admitted.Load(), refused.Load(), limit*clients, limit)
	}
	foreign := &rlsv3.RateLimitRequest{Domain: "other"}
	if _, err := client.ShouldRateLimit(t.Context(), foreign); status.Code(err) != codes.Unavailable {
		t.Errorf("foreign domain: %v, want UNAVAILABLE", err)
	}
}

// TestUseUnderLoad swaps tables while requests run: each must be answered by one of them.
func TestUseUnderLoad(t *testing.T) {
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	d := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := r.ShouldRateLimit(t.Context(), request(d)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 40 {
		l := perCustomer()
		l.Windows[0].Limit = int64(i) + 1
		r.use(t, payments([]gateway.Limit{l}, nil), l.Name+string(rune('a'+i)))
		r.Counts()
	}
	close(done)
	group.Wait()
}
