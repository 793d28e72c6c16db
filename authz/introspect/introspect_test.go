package introspect_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz/introspect"
	"github.com/gatehouse/gatehouse/gateway"
)

const (
	secret = "s3cr3t of the gateway"
	shown  = "token-that-nobody-may-read"
)

// asker is a Client with a clock that tests turn, and an issuer that they play.
type asker struct {
	*introspect.Client
	log   lockedBuffer
	asked atomic.Int64
	now   atomic.Int64 // Nanoseconds.
	url   string
	serve atomic.Pointer[http.HandlerFunc]
	ca    []byte
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newAsker(t *testing.T, start func(http.Handler) *httptest.Server) *asker {
	t.Helper()
	a := &asker{}
	a.now.Store(1_790_000_000_000_000_000)
	a.says(http.StatusOK, `{"active": true, "sub": "alice"}`)
	served := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		(*a.serve.Load())(w, r)
	}))
	t.Cleanup(served.Close)
	a.url = served.URL
	if c := served.Certificate(); c != nil {
		a.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	client, err := introspect.New(introspect.Options{
		Logger: slog.New(slog.NewTextHandler(&a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return time.Unix(0, a.now.Load()) },
		Secret: func(string) (string, error) { return secret, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Client = client
	t.Cleanup(client.Close)
	return a
}

func plain(t *testing.T) *asker { return newAsker(t, httptest.NewServer) }

// turn lets time pass.
func (a *asker) turn(d time.Duration) { a.now.Add(int64(d)) }

func (a *asker) unix() int64 { return a.now.Load() / int64(time.Second) }

// says lets the issuer answer so from now on.
func (a *asker) says(status int, body string) {
	a.plays(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

func (a *asker) plays(f http.HandlerFunc) { a.serve.Store(&f) }

// endpoint is how the issuer is asked, with other settings where they are given.
func (a *asker) endpoint(change func(*gateway.Issuer)) *introspect.Endpoint {
	i := &gateway.Issuer{Name: "bank", Issuer: "https://id.bank.test", Introspection: &gateway.Introspection{
		URL: a.url, Client: "gateway", Secret: "env:SECRET", Cache: 30 * time.Second, Refused: 10 * time.Second, Timeout: 5 * time.Second, CA: a.ca,
	}}
	if change != nil {
		change(i)
	}
	return introspect.NewEndpoint(i)
}

// TestAnswers holds what an answer means: good, not good, or no answer at all; and that no log holds token or secret.
func TestAnswers(t *testing.T) {
	t.Parallel()
	a := plain(t)
	now := a.unix()
	for i, test := range []struct {
		body   string
		status int
		active bool
		away   bool
	}{
		{body: `{"active": true}`, active: true},
		{body: fmt.Sprintf(`{"active": true, "exp": %d, "nbf": %d, "iss": "https://id.bank.test", "aud": ["a", "payments"]}`, now+60, now), active: true},
		{body: `{"active": false}`},
		{body: `{"active": false, "sub": "alice", "exp": 9999999999}`},
		{body: fmt.Sprintf(`{"active": true, "exp": %d}`, now)},
		{body: `{"active": true, "exp": "9999999999"}`},
		{body: `{"active": true, "exp": null}`},
		{body: `{"active": true, "exp": -5}`},
		{body: `{"active": true, "exp": 1e300}`, active: true},
		{body: fmt.Sprintf(`{"active": true, "nbf": %d}`, now+60)},
		{body: `{"active": true, "iss": "https://id.mallory.test"}`},
		{body: `{"active": true, "iss": ["https://id.bank.test"]}`},
		{body: `{"active": "true"}`, away: true},
		{body: `{"active": 1}`, away: true},
		{body: `{"active": null}`, away: true},
		{body: `{"sub": "alice"}`, away: true},
		{body: `{"active": true`, away: true},
		{body: `[{"active": true}]`, away: true},
		{body: `<html>` + shown + `</html>`, away: true},
		{body: ``, away: true},
		{body: `{"active": true, "active": false}`, away: true},
		{body: strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000), away: true},
		{body: `{"active": true, "pad": "` + strings.Repeat("x", 64<<10) + `"}`, away: true},
		{body: `{"active": true}`, status: 201, away: true},
		{body: `{"active": true}`, status: 204, away: true},
		{body: `{"active": true, "echo": "` + shown + secret + `"}`, status: 401, away: true},
		{body: `{"active": true}`, status: 500, away: true},
	} {
		status := test.status
		if status == 0 {
			status = http.StatusOK
		}
		a.says(status, test.body)
		of := a.endpoint(func(g *gateway.Issuer) {
			g.Name = fmt.Sprintf("bank-%d", i) // Of which nothing is known.
			if strings.Contains(test.body, "aud") {
				g.Audiences = []string{"payments"}
			}
		})
		got, err := a.Ask(t.Context(), of, shown)
		if got.Active != test.active || errors.Is(err, introspect.ErrAway) != test.away || (err != nil) != test.away {
			t.Errorf("%.80q with status %d: %v, %v", test.body, status, got.Active, err)
		}
		if !got.Active && got.Claims != nil {
			t.Errorf("%.80q: what is not good has claims", test.body)
		}
	}
	a.says(http.StatusOK, `{"active": true, "aud": ["payroll", 7]}`)
	if got, err := a.Ask(t.Context(), a.endpoint(func(g *gateway.Issuer) { g.Audiences = []string{"payments"} }), shown); got.Active || err != nil {
		t.Errorf("for others: %v, %v", got.Active, err)
	}
	if log := a.log.String(); strings.Contains(log, shown) || strings.Contains(log, secret) || log == "" {
		t.Errorf("the log: %s", log)
	}
}

// TestRemembered turns the clock: what is good is asked again after its time or its own end, what is not after a shorter one.
func TestRemembered(t *testing.T) {
	t.Parallel()
	a := plain(t)
	of := a.endpoint(nil)
	ask := func(token string, active bool, calls int64) {
		t.Helper()
		before := a.asked.Load()
		got, err := a.Ask(t.Context(), of, token)
		if err != nil || got.Active != active || a.asked.Load()-before != calls {
			t.Errorf("%s: %v, %v, after %d calls, want %v after %d", token, got.Active, err, a.asked.Load()-before, active, calls)
		}
	}
	ask("one", true, 1)
	a.says(http.StatusOK, `{"active": false}`)
	a.turn(29 * time.Second)
	ask("one", true, 0)
	if _, known := a.Recall(of, "one"); !known {
		t.Error("what is remembered is not recalled")
	}
	a.turn(time.Second)
	if _, known := a.Recall(of, "one"); known {
		t.Error("what has ended is recalled")
	}
	ask("one", false, 1)
	a.says(http.StatusOK, fmt.Sprintf(`{"active": true, "exp": %d}`, a.unix()+15))
	a.turn(9 * time.Second)
	ask("one", false, 0)
	a.turn(time.Second)
	ask("one", true, 1)
	a.turn(4 * time.Second)
	ask("one", true, 0)
	a.turn(time.Second) // The token's own end.
	ask("one", false, 1)
	a.says(http.StatusOK, `{"active": true}`)
	ask("two", true, 1)
	a.turn(-time.Minute) // A clock that goes back makes nothing good for longer.
	ask("two", true, 1)
	other := a.endpoint(func(g *gateway.Issuer) { g.Audiences = []string{"payments"} })
	if _, known := a.Recall(other, "two"); known {
		t.Error("an Issuer that asks for more believes the word for one that does not")
	}
}

// TestOneCall asks about one token many times at a time: that is one call. Who stops waiting stops nothing.
func TestOneCall(t *testing.T) {
	t.Parallel()
	a := plain(t)
	of, begun, release := a.endpoint(nil), make(chan struct{}), make(chan struct{})
	a.plays(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		_, _ = w.Write([]byte(`{"active": true}`))
	})
	impatient, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := a.Ask(impatient, of, "one")
		gone <- err
	}()
	<-begun
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who stopped waiting got %v", err)
	}
	var waiting sync.WaitGroup
	for range 100 {
		waiting.Go(func() {
			if got, err := a.Ask(t.Context(), of, "one"); err != nil || !got.Active {
				t.Errorf("%v, %v", got.Active, err)
			}
		})
	}
	close(release)
	waiting.Wait()
	if asked := a.asked.Load(); asked != 1 {
		t.Errorf("%d calls about one token", asked)
	}
}

// TestLeftAlone lets the issuer fail: it is left alone after five calls, for longer each time it fails again, and asked by one call
// alone; one good answer ends that.
func TestLeftAlone(t *testing.T) {
	t.Parallel()
	a := plain(t)
	of, n := a.endpoint(nil), 0
	a.says(http.StatusBadGateway, "")
	calls := func(tries int) int64 {
		t.Helper()
		before := a.asked.Load()
		for range tries {
			n++
			if _, err := a.Ask(t.Context(), of, fmt.Sprint("token-", n)); !errors.Is(err, introspect.ErrAway) {
				t.Fatalf("while it fails: %v", err)
			}
		}
		return a.asked.Load() - before
	}
	if got := calls(20); got != 5 {
		t.Errorf("%d calls, want 5", got)
	}
	a.turn(490 * time.Millisecond) // The least of the first pause is half a second, the most one and a half.
	if got := calls(5); got != 0 {
		t.Errorf("%d calls while it is left alone", got)
	}
	for pause := time.Second; pause < 2*time.Minute; pause *= 2 {
		longest := min(pause, 30*time.Second) * 3 / 2
		a.turn(longest)
		if got := calls(5); got != 1 {
			t.Errorf("after a pause of %s: %d calls, want 1", longest, got)
		}
	}
	a.turn(45 * time.Second)
	a.says(http.StatusOK, `{"active": true}`)
	for i := range 10 {
		if got, err := a.Ask(t.Context(), of, fmt.Sprint("good-", i)); err != nil || !got.Active {
			t.Errorf("when it is back: %v, %v", got.Active, err)
		}
	}
	counts := a.Counts()
	if counts.Asked != uint64(a.asked.Load()) || counts.Failed == 0 || counts.Refused == 0 {
		t.Errorf("counted: %+v", counts)
	}
}

// TestSlow lets the issuer take too long, stop within its answer, and send headers without end: each ends within its time.
func TestSlow(t *testing.T) {
	t.Parallel()
	a := plain(t)
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	hang := func(r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}
	for name, f := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) { hang(r) },
		"half": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"active": tr`))
			_ = http.NewResponseController(w).Flush()
			hang(r)
		},
		"headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-pad", strings.Repeat("x", 64<<10))
			_, _ = w.Write([]byte(`{"active": true}`))
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("content-length", "1000")
			_, _ = w.Write([]byte(`{"active": true}`))
		},
	} {
		a.plays(f)
		began := time.Now()
		got, err := a.Ask(t.Context(), a.endpoint(func(g *gateway.Issuer) { g.Introspection.Timeout = 200 * time.Millisecond }), "token-"+name)
		if took := time.Since(began); got.Active || !errors.Is(err, introspect.ErrAway) || took > 10*time.Second {
			t.Errorf("%s: %v, %v after %s", name, got.Active, err, took)
		}
	}
}

// TestRedirects sends the issuer's callers elsewhere: nobody goes there with a token.
func TestRedirects(t *testing.T) {
	t.Parallel()
	a := plain(t)
	var told atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		told.Add(1)
		_, _ = w.Write([]byte(`{"active": true}`))
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		a.plays(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		if got, err := a.Ask(t.Context(), a.endpoint(nil), fmt.Sprint("token-", status)); got.Active || !errors.Is(err, introspect.ErrAway) {
			t.Errorf("%d: %v, %v", status, got.Active, err)
		}
	}
	if told.Load() != 0 {
		t.Error("a redirect was followed")
	}
	if log := a.log.String(); strings.Contains(log, "token-3") || strings.Contains(log, secret) {
		t.Errorf("the log: %s", log)
	}
}

// TestAuthority asks an issuer by TLS: the document's authority is believed, and without it this certificate is not.
func TestAuthority(t *testing.T) {
	t.Parallel()
	a := newAsker(t, httptest.NewTLSServer)
	if got, err := a.Ask(t.Context(), a.endpoint(nil), "one"); err != nil || !got.Active {
		t.Errorf("with its authority: %v, %v", got.Active, err)
	}
	if got, err := a.Ask(t.Context(), a.endpoint(func(g *gateway.Issuer) { g.Introspection.CA = nil }), "one"); got.Active || !errors.Is(err, introspect.ErrAway) {
		t.Errorf("without: %v, %v", got.Active, err)
	}
	if asked := a.asked.Load(); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestClose ends what is under way, and lets nothing begin.
func TestClose(t *testing.T) {
	t.Parallel()
	a := plain(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(ended) })
	a.plays(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	})
	waited := make(chan error, 1)
	go func() {
		_, err := a.Ask(t.Context(), a.endpoint(nil), "one")
		waited <- err
	}()
	<-begun
	a.Close()
	if err := <-waited; !errors.Is(err, introspect.ErrAway) {
		t.Errorf("who waited got %v", err)
	}
	if _, err := a.Ask(t.Context(), a.endpoint(nil), "two"); !errors.Is(err, introspect.ErrAway) || a.asked.Load() != 1 {
		t.Errorf("after the end: %v, %d calls", err, a.asked.Load())
	}
}
