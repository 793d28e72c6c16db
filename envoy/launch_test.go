package envoy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// patience bounds every wait of these tests; on a busy machine an Envoy needs seconds to start.
const patience = time.Minute

// variableParent makes the test binary act as a parent that launches an Envoy and is killed: see TestDiesWithItsParent.
const variableParent = "GATEHOUSE_TEST_PARENT"

func TestMain(m *testing.M) {
	if start, ok := os.LookupEnv(variableParent); ok {
		if err := beParent(start, os.Stdout); err != nil {
			_, _ = io.WriteString(os.Stdout, err.Error()+"\n")
		}
		return
	}
	os.Exit(m.Run())
}

// beParent launches the Envoy that its argument describes, writes its process id and waits to be killed.
func beParent(text string, out io.Writer) error {
	var start envoy.Start
	if err := json.Unmarshal([]byte(text), &start); err != nil {
		return err
	}
	start.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	child, err := envoy.Launch(context.Background(), start)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, child.PID()); err != nil {
		return err
	}
	<-child.Ended()
	return child.Err()
}

func TestDiesWithItsParent(t *testing.T) {
	t.Parallel()
	start := staticEnvoy(t, "127.0.0.1:1")
	start.Log = nil // not to be encoded
	text, err := json.Marshal(start)
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), variableParent+"="+string(text))
	parent.Stderr = t.Output()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the parent said %q: %v", line, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent could not launch an Envoy: %s", line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	admin := envoy.NewAdmin(start.Admin)
	eventually(ctx, t, "the Envoy is ready", func() bool { _, err := admin.Get(ctx, "/ready"); return err == nil })
	if !alive(pid) {
		t.Fatalf("process %d is no Envoy that runs", pid)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	eventually(ctx, t, "the Envoy is gone after kill -9 of its parent", func() bool { return !alive(pid) })
}

func TestStopWaitsForARequestInFlight(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	backend := listen(t)
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "paid")
	})}
	go func() { _ = server.Serve(backend) }()
	t.Cleanup(func() { _ = server.Close() })

	start := staticEnvoy(t, backend.Addr().String())
	child := launch(t, start)
	front := filepath.Join(filepath.Dir(start.Admin), "front.sock")
	answers := make(chan string, 1)
	go func() { answers <- get(t.Context(), front) }()
	<-arrived

	stopped := make(chan error, 1)
	go func() { stopped <- child.Stop(context.WithoutCancel(t.Context()), patience) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	eventually(ctx, t, "new connections are refused", func() bool { return !accepts(ctx, front) })
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned (%v) while a request was in flight", err)
	default:
	}
	close(release)
	if got := <-answers; got != "200 paid" {
		t.Errorf("the request in flight got %q, want 200 paid", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if alive(child.PID()) {
		t.Error("the Envoy still runs after Stop")
	}
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	child := launch(t, staticEnvoy(t, "127.0.0.1:1"))
	if err := syscall.Kill(child.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := child.Stop(ctx, 0); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("error %v does not say that the Envoy was killed", err)
	}
	if alive(child.PID()) {
		t.Error("the Envoy still runs after Stop")
	}
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	child, err := envoy.Launch(ctx, staticEnvoy(t, "127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := child.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := child.Err(); err != nil {
		t.Errorf("error %v while the Envoy runs", err)
	}
	cancel()
	<-child.Ended()
	if err := child.Err(); !errors.Is(err, envoy.ErrEnded) {
		t.Errorf("error %v, want ErrEnded", err)
	}
}

func TestWaitReadyTellsWhyAnEnvoyEnded(t *testing.T) {
	t.Parallel()
	start := staticEnvoy(t, "no-address.test:1")
	child, err := envoy.Launch(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	err = child.WaitReady(t.Context())
	if !errors.Is(err, envoy.ErrEnded) || !strings.Contains(err.Error(), "malformed IP address: no-address.test") {
		t.Errorf("error %v, want ErrEnded with Envoy's reason", err)
	}
	start.Binary = filepath.Join(t.TempDir(), "absent")
	if _, err := envoy.Launch(t.Context(), start); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent binary gives error %v", err)
	}
}

// staticEnvoy writes the bootstrap of an Envoy that hands every request on to one backend, and says how to start it. It
// listens on front.sock beside its admin socket.
func staticEnvoy(t *testing.T, backend string) envoy.Start {
	t.Helper()
	binary := needs.Envoy(t)
	dir := needs.SocketDir(t)
	host, port, err := net.SplitHostPort(backend)
	if err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile(filepath.Join("testdata", "static.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("DIR", dir, "HOST", host, "PORT", port).Replace(string(template))
	start := envoy.Start{
		Binary: binary, Bootstrap: filepath.Join(dir, "envoy.yaml"), Admin: filepath.Join(dir, "admin.sock"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if err := os.WriteFile(start.Bootstrap, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return start
}

// launch starts an Envoy, waits until it is ready and ends it with the test.
func launch(t *testing.T, start envoy.Start) *envoy.Child {
	t.Helper()
	child, err := envoy.Launch(context.WithoutCancel(t.Context()), start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Stop(context.WithoutCancel(t.Context()), 0) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := child.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return child
}

// listen returns a listener on a free port of the loopback.
func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// accepts tells whether somebody accepts connections on a Unix socket.
func accepts(ctx context.Context, socket string) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// get returns status and body of a request over a Unix socket, or "error" and why there is none.
func get(ctx context.Context, socket string) string {
	var dialer net.Dialer
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bank.test/", http.NoBody)
	if err != nil {
		return "error " + err.Error()
	}
	response, err := client.Do(request)
	if err != nil {
		return "error " + err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "error " + err.Error()
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}

// alive tells whether a process runs; one that has ended but was not waited for does not.
func alive(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(state, "Z")
}

// eventually fails the test when something does not become true before ctx ends.
func eventually(ctx context.Context, t *testing.T, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("it never happened that %s", what)
		}
	}
}
