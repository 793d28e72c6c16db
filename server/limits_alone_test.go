package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/server"
)

// limitsAlone starts a LimitsAlone on a socket, and returns a connection to it.
func limitsAlone(t *testing.T, o server.LimitsAloneOptions) (*server.LimitsAlone, *grpc.ClientConn) {
	t.Helper()
	o.Listen, o.HTTP, o.Diagnostics = "unix:"+filepath.Join(needs.SocketDir(t), "r.sock"), "127.0.0.1:0", "127.0.0.1:0"
	o.Drain, o.Now = 10*time.Second, time.Now
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s := server.NewLimitsAlone(o)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	conn, err := grpc.NewClient(o.Listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(func() {
		_ = conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}))
	return s, conn
}

const aliceAsks = `{"domain": "bank", "descriptors": [{"entries": [{"key": "user", "value": "alice"}]}]}`

// spendOne asks for alice, and returns the code and what remains.
func spendOne(t *testing.T, conn *grpc.ClientConn) (rlsv3.RateLimitResponse_Code, uint32, error) {
	t.Helper()
	req := &rlsv3.RateLimitRequest{}
	if err := protojson.Unmarshal([]byte(aliceAsks), req); err != nil {
		t.Fatal(err)
	}
	resp, err := rlsv3.NewRateLimitServiceClient(conn).ShouldRateLimit(t.Context(), req)
	if err != nil {
		return 0, 0, err
	}
	return resp.GetOverallCode(), resp.GetStatuses()[0].GetLimitRemaining(), nil
}

// post asks over HTTP.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// limitsFile writes a file of limits with one of so many requests a day.
func limitsFile(t *testing.T, path, text string) {
	t.Helper()
	next := filepath.Join(t.TempDir(), "next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func perDay(number string) string {
	return "domain: bank\ndescriptors: [{key: user, rate_limit: {unit: day, requests_per_unit: " + number + "}}]\n"
}

// TestLimitsAloneReload changes the files while it runs: a good change counts on with what was spent, a mistake changes nothing.
func TestLimitsAloneReload(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), &lines{}
	file := filepath.Join(dir, "bank.yaml")
	limitsFile(t, file, perDay("3"))
	s, conn := limitsAlone(t, server.LimitsAloneOptions{
		Config: dir, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Headers: &descriptors.Headers{Limit: "RateLimit-Limit", Remaining: "RateLimit-Remaining", Reset: "RateLimit-Reset"},
	})
	if code, remaining, err := spendOne(t, conn); code != rlsv3.RateLimitResponse_OK || remaining != 2 || err != nil {
		t.Fatalf("answered %v, %d, %v", code, remaining, err)
	}
	rules := func() string { return get(t, "http://"+s.DiagnosticsAddr()+"/rlconfig") }
	limitsFile(t, file, perDay("10"))
	eventually(t, "the change is in use", func() bool { return strings.Contains(rules(), "requests_per_unit=10,") })
	if _, remaining, err := spendOne(t, conn); remaining != 8 || err != nil {
		t.Errorf("%d remain after the change (%v), want 8", remaining, err)
	}
	limitsFile(t, file, perDay("many"))
	eventually(t, "the log tells", func() bool { return strings.Contains(log.String(), "limits not reloaded") })
	if !strings.Contains(log.String(), "bank.yaml:2:70: GH103") {
		t.Errorf("the log does not say where: %s", log)
	}
	if _, remaining, err := spendOne(t, conn); remaining != 7 || err != nil {
		t.Errorf("%d remain after a mistake (%v), want 7", remaining, err)
	}
	metrics := get(t, "http://"+s.DiagnosticsAddr()+"/metrics")
	for _, want := range []string{
		`ratelimit_service_rate_limit_total_hits{domain="bank",key1="user",key2="",key3="",key4=""} 3`,
		"ratelimit_service_config_load_error 1", "ratelimit_service_config_load_success 2", "gatehouse_ready 1", "gatehouse_limits_buckets 1",
		`ratelimit_service_total_requests{grpc_method="ShouldRateLimit"} 3`, "gatehouse_limits_store_up 1",
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not healthy without limits", func() bool {
		code, _ := post(t, "http://"+s.HTTPAddr()+"/healthcheck", "")
		return code == http.StatusInternalServerError
	})
	health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "ratelimit"})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %v %v", health, err)
	}
}

// TestLimitsAloneOverHTTP asks without gRPC, also what makes no sense.
func TestLimitsAloneOverHTTP(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bank.yaml")
	limitsFile(t, file, perDay("1"))
	s, _ := limitsAlone(t, server.LimitsAloneOptions{Config: file})
	url := "http://" + s.HTTPAddr()
	for _, test := range []struct {
		body string
		code int
		want string
	}{
		{aliceAsks, 200, `"overallCode":"OK"`},
		{aliceAsks, 429, `"overallCode":"OVER_LIMIT"`},
		{`{"domain": "none", "descriptors": [{"entries": [{"key": "user"}]}]}`, 200, `{"overallCode":"OK","statuses":[{"code":"OK"}]}`},
		{`{"domain": "bank"}`, 400, "no descriptors"},
		{`{"domain": "bank", "strange": 1}`, 400, `"code":"bad-request"`},
		{`nonsense`, 400, `"code":"bad-request"`},
		{`"` + strings.Repeat("x", 2<<20) + `"`, 400, `"code":"bad-request"`},
	} {
		if code, text := post(t, url+"/json", test.body); code != test.code || !strings.Contains(text, test.want) {
			t.Errorf("%.60s is answered %d %s, want %d %s", test.body, code, text, test.code, test.want)
		}
	}
	if code, text := post(t, url+"/healthcheck", ""); code != 200 || text != "OK" {
		t.Errorf("healthcheck answers %d %q", code, text)
	}
}

// TestLimitsAloneInRedis counts in a Redis that goes and comes: errors in between, and no call that waits.
func TestLimitsAloneInRedis(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bank.yaml")
	limitsFile(t, file, perDay("100"))
	there := needs.Redis(t)
	address, err := redis.ParseAddress("unix:" + there.Socket)
	if err != nil {
		t.Fatal(err)
	}
	o := server.LimitsAloneOptions{Config: file, Redis: &redis.Options{Address: address}}
	_, first := limitsAlone(t, o)
	s, second := limitsAlone(t, o)
	eventually(t, "both are connected", func() bool {
		_, _, one := spendOne(t, first)
		_, _, two := spendOne(t, second)
		return one == nil && two == nil
	})
	_, before, _ := spendOne(t, first)
	if _, remaining, err := spendOne(t, second); remaining != before-1 || err != nil {
		t.Errorf("%d remain for the second (%v), %d for the first before", remaining, err, before)
	}
	there.Stop()
	eventually(t, "calls fail", func() bool {
		_, _, err := spendOne(t, second)
		return grpcstatus.Code(err) == codes.Unavailable
	})
	if code, text := post(t, "http://"+s.HTTPAddr()+"/json", aliceAsks); code != 503 || !strings.Contains(text, `"code":"limits-away"`) {
		t.Errorf("without Redis answered %d %s", code, text)
	}
	eventually(t, "metrics tell", func() bool {
		_, _, _ = spendOne(t, second)
		metrics := get(t, "http://"+s.DiagnosticsAddr()+"/metrics")
		return strings.Contains(metrics, "gatehouse_limits_store_up 0\n") && !strings.Contains(metrics, `should_rate_limit_error{err_type="redis_error"} 0`)
	})
	there.Start(t)
	eventually(t, "it counts again", func() bool {
		_, _, err := spendOne(t, second)
		return err == nil
	})
}
