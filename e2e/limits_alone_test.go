//go:build e2e

package e2e_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/server"
)

// TestLimitsAlone puts the rate limit service alone behind a stock Envoy that somebody configured for envoyproxy/ratelimit, once
// counting in memory and once in Redis, and then takes it away: the Envoy lets pass by its own rule.
func TestLimitsAlone(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"memory", "redis"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			o := server.LimitsAloneOptions{
				Config: "testdata/ratelimit/limits", Listen: "unix:" + filepath.Join(needs.SocketDir(t), "limits.sock"), Drain: patience, Now: time.Now,
				Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
			}
			if store == "redis" {
				address, err := redis.ParseAddress("unix:" + needs.Redis(t).Socket)
				if err != nil {
					t.Fatal(err)
				}
				o.Redis = &redis.Options{Address: address, Timeout: patience}
			}
			limitsAlone(t, o)
		})
	}
}

func limitsAlone(t *testing.T, o server.LimitsAloneOptions) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.NewLimitsAlone(o).Run(ctx) }()
	url := stockEnvoy(t, "testdata/ratelimit/envoy.yaml", o.Listen[len("unix:"):])
	get := func(path string, header ...string) (int, http.Header) {
		t.Helper()
		return limited(t, url+path, header...)
	}
	eventually(t, "the Envoy asks", func() bool { // Until then it lets everything pass: the service may just be coming.
		status, header := get("/two", "foo", "warm", "bar", "up")
		return status == http.StatusOK && header.Get("X-Ratelimit-Limit") != ""
	})
	for i, want := range []int{200, 200, 429, 429} {
		status, header := get("/header", "foo", "a")
		if status != want || header.Get("X-Ratelimit-Limit") != "2, 2;w=86400" {
			t.Errorf("request %d: %d, x-ratelimit-limit %q, want %d", i, status, header.Get("X-Ratelimit-Limit"), want)
		}
	}
	for _, test := range []struct {
		what, path string
		header     []string
		want       int
	}{
		{"another value", "/header", []string{"foo", "b"}, 200},
		{"no entry, no limit", "/header", nil, 200},
		{"two entries", "/two", []string{"foo", "a", "bar", "x"}, 200},
		{"a banned one", "/two", []string{"foo", "a", "bar", "banned"}, 429},
		{"in shadow", "/two", []string{"foo", "a", "baz", "loud one"}, 200},
		{"two limits", "/two", []string{"foo", "a", "bar", "y", "baz", "z"}, 200},
		{"one of two reached", "/two", []string{"foo", "a", "bar", "y", "baz", "z"}, 429},
		{"the other is not spent by that", "/two", []string{"foo", "a", "bar", "y"}, 200},
		{"and has one left", "/two", []string{"foo", "a", "bar", "y"}, 200},
		{"and none", "/two", []string{"foo", "a", "bar", "y"}, 429},
		{"bought", "/override", []string{"foo", "a"}, 200},
		{"bought once more", "/override", []string{"foo", "a"}, 200},
		{"all that was bought", "/override", []string{"foo", "a"}, 429},
	} {
		if status, _ := get(test.path, test.header...); status != test.want {
			t.Errorf("%s: %d, want %d", test.what, status, test.want)
		}
	}
	// What responses cost is known after each, so that the one that reaches the limit passes still.
	eventually(t, "the bytes are spent", func() bool {
		status, _ := get("/bytes", "foo", "a")
		return status == http.StatusTooManyRequests
	})
	if status, _ := get("/bytes", "foo", "b"); status != http.StatusOK {
		t.Errorf("another one's bytes: %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if status, _ := get("/header", "foo", "a"); status != http.StatusOK {
		t.Errorf("without the service: %d, want 200", status)
	}
}

// limited makes one request with headers.
func limited(t *testing.T, url string, header ...string) (int, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode, response.Header
}
