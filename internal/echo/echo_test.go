package echo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/internal/echo"
)

func TestAnswerSaysWhatArrived(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			backend, err := echo.New(echo.Settings{Name: "payments-1"})
			if err != nil {
				t.Fatal(err)
			}
			address, _ := start(t, backend)
			request := newRequest(t, http.MethodPost, "http://"+address+"/payments/a%2Fb?x=1&y=%20", strings.NewReader("12345"))
			request.Host = "api.bank.test"
			request.Header = http.Header{"X-Trace": {"1", "2"}, "User-Agent": {"test"}, "Accept-Encoding": {"identity"}}
			response, err := client(protocol == "HTTP/2.0").Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var got echo.Answer
			if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			want := echo.Answer{
				Name: "payments-1", Protocol: protocol, Method: http.MethodPost, Host: "api.bank.test", Path: "/payments/a%2Fb",
				Query: "x=1&y=%20", Body: 5, Headers: map[string][]string{
					"x-trace": {"1", "2"}, "user-agent": {"test"}, "accept-encoding": {"identity"}, "content-length": {"5"},
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d, type %s", response.StatusCode, response.Header.Get("Content-Type"))
			}
		})
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	backend, err := echo.New(echo.Settings{Status: http.StatusAccepted, Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		header http.Header
		status int
		body   string
	}{
		"settings":    {nil, http.StatusAccepted, "eeeeeeeeee"},
		"status":      {http.Header{"X-Echo-Status": {"503"}}, http.StatusServiceUnavailable, "eeeeeeeeee"},
		"size":        {http.Header{"X-Echo-Size": {"3"}}, http.StatusAccepted, "eee"},
		"no content":  {http.Header{"X-Echo-Status": {"204"}}, http.StatusNoContent, ""},
		"no number":   {http.Header{"X-Echo-Status": {"ok"}}, http.StatusBadRequest, "x-echo-status: \"ok\" is no number\n"},
		"status low":  {http.Header{"X-Echo-Status": {"100"}}, http.StatusBadRequest, "status 100 is not between 200 and 599\n"},
		"no duration": {http.Header{"X-Echo-Delay": {"5"}}, http.StatusBadRequest, "x-echo-delay: \"5\" is no duration such as 250ms\n"},
		"long delay":  {http.Header{"X-Echo-Delay": {"2h"}}, http.StatusBadRequest, "delay 2h0m0s is not between 0 and 1m0s\n"},
		"large":       {http.Header{"X-Echo-Size": {"99999999"}}, http.StatusBadRequest, "size 99999999 is not between 0 and 16777216 bytes\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
			request.Header = test.header
			recorder := httptest.NewRecorder()
			backend.ServeHTTP(recorder, request)
			if recorder.Code != test.status || recorder.Body.String() != test.body {
				t.Errorf("got %d %q, want %d %q", recorder.Code, recorder.Body, test.status, test.body)
			}
		})
	}
}

func TestSettingsRefused(t *testing.T) {
	t.Parallel()
	for _, settings := range []echo.Settings{{Status: 99}, {Status: 600}, {Delay: -1}, {Delay: time.Hour}, {Size: -1}, {Size: 1 << 30}} {
		if _, err := echo.New(settings); err == nil {
			t.Errorf("%+v is taken", settings)
		}
	}
}

func TestDelayEndsWithTheClient(t *testing.T) {
	t.Parallel()
	backend, err := echo.New(echo.Settings{Delay: echo.DelayMax})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	recorder := httptest.NewRecorder()
	backend.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody))
	if recorder.Body.Len() != 0 {
		t.Errorf("a client that has gone is answered: %s", recorder.Body)
	}
}

func TestStopLetsARequestFinish(t *testing.T) {
	t.Parallel()
	backend, err := echo.New(echo.Settings{Name: "payments-1"})
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{})
	address, stop := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		backend.ServeHTTP(w, r)
	}))
	body, sender := io.Pipe()
	go func() { _, _ = sender.Write([]byte("first")) }()
	answers := make(chan string, 1)
	go func() { answers <- do(newRequest(t, http.MethodPost, "http://"+address+"/", body)) }()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		var dialer net.Dialer
		for {
			conn, err := dialer.DialContext(t.Context(), "tcp", address)
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	<-refused
	if _, err := sender.Write([]byte(" and second")); err != nil {
		t.Error(err)
	}
	_ = sender.Close()
	if got := <-answers; !strings.Contains(got, `"body":16`) {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for status, healthy := range map[int]bool{http.StatusOK: true, http.StatusNotFound: true, http.StatusServiceUnavailable: false} {
		backend, err := echo.New(echo.Settings{Status: status})
		if err != nil {
			t.Fatal(err)
		}
		address, stop := start(t, backend)
		if err := echo.Check(t.Context(), "tcp", address); (err == nil) != healthy {
			t.Errorf("a backend that answers with %d: %v", status, err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := echo.Check(t.Context(), "tcp", address); err == nil {
			t.Error("a backend that has stopped is called healthy")
		}
	}
}

// BenchmarkAnswer shows what the backend itself costs.
func BenchmarkAnswer(b *testing.B) {
	for name, settings := range map[string]echo.Settings{"json": {Name: "payments-1"}, "size": {Size: 100}} {
		b.Run(name, func(b *testing.B) {
			backend, err := echo.New(settings)
			if err != nil {
				b.Fatal(err)
			}
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/payments/1", http.NoBody)
			request.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"wrk"}, "X-Request-Id": {"1"}}
			b.ReportAllocs()
			for b.Loop() {
				backend.ServeHTTP(&httptest.ResponseRecorder{Body: new(bytes.Buffer)}, request)
			}
		})
	}
}

// start serves on a free port of the loopback. The returned function stops it and waits for the end; so does the test's end.
func start(t *testing.T, backend http.Handler) (string, func() error) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- echo.Serve(ctx, listener, backend, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), func() error {
		cancel()
		return <-ended
	}
}

// client returns a client for HTTP/1.1, or for HTTP/2 without TLS.
func client(http2 bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{Protocols: &protocols}}
}

// do returns the body of the answer to a request, or the error.
func do(request *http.Request) string {
	response, err := client(false).Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// newRequest returns a request that ends with the test.
func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return request
}
