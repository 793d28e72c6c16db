package needs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// redisStarts bounds how long a Redis may take to answer.
const redisStarts = 10 * time.Second

// RedisServer is a Redis of the test's own, on a Unix socket, with nothing kept on disk. Its methods are not safe for
// concurrent use.
type RedisServer struct {
	Socket string // The path.
	Port   int    // On 127.0.0.1; 0: none.

	binary  string
	dir     string
	more    []string
	process *exec.Cmd // nil: stopped.
	ended   chan struct{}
}

// Redis starts a Redis, or a Valkey where there is no Redis, that ends with the test. more are settings, as on its command line.
func Redis(t testing.TB, more ...string) *RedisServer {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		binary = Binary(t, "valkey-server")
	}
	return startRedis(t, binary, more)
}

// Valkey starts a Valkey that ends with the test, or skips it where there is none, with CI set too: it speaks as Redis does.
func Valkey(t testing.TB) *RedisServer {
	t.Helper()
	binary, err := exec.LookPath("valkey-server")
	if err != nil {
		t.Skip("valkey-server is not installed")
	}
	return startRedis(t, binary, nil)
}

func startRedis(t testing.TB, binary string, more []string) *RedisServer {
	t.Helper()
	dir := SocketDir(t)
	r := &RedisServer{Socket: filepath.Join(dir, "redis.sock"), binary: binary, dir: dir, more: more}
	t.Cleanup(r.Stop)
	r.Start(t)
	return r
}

// Listen makes it listen on a TCP port of 127.0.0.1 too, from its next start on.
func (r *RedisServer) Listen(t testing.TB) { r.Port = Port(t) }

// Start starts it, empty, after a Stop.
func (r *RedisServer) Start(t testing.TB) {
	t.Helper()
	args := append([]string{
		"--port", fmt.Sprint(r.Port), "--bind", "127.0.0.1", "--unixsocket", r.Socket, "--dir", r.dir,
		"--save", "", "--appendonly", "no", "--loglevel", "warning",
	}, r.more...)
	r.process = exec.Command(r.binary, args...) //nolint:gosec,noctx // A program of the test; Stop ends it.
	r.process.Stderr = os.Stderr
	r.process.SysProcAttr = childAttributes()
	if err := r.process.Start(); err != nil {
		r.process = nil
		t.Fatalf("start Redis: %v", err)
	}
	r.ended = make(chan struct{})
	go func(p *exec.Cmd, ended chan struct{}) {
		_ = p.Wait() // It is killed.
		close(ended)
	}(r.process, r.ended)
	ctx, cancel := context.WithTimeout(t.Context(), redisStarts)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		err := r.answers(ctx)
		if err == nil {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-r.ended:
			t.Fatal("Redis ended at once")
		case <-ctx.Done():
			t.Fatalf("Redis does not answer: %v", err)
		}
	}
}

// answers asks it once, and takes any answer for one: it may want a password.
func (r *RedisServer) answers(ctx context.Context) error {
	text, err := r.Do(ctx, "PING")
	if err == nil && text == "" {
		return errors.New("no answer")
	}
	return err
}

// Do sends one command in its inline form, over a connection of its own, and returns the first line of the answer.
func (r *RedisServer) Do(ctx context.Context, command string) (string, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", r.Socket)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if until, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(until); err != nil {
			return "", err
		}
	}
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

// Stop kills it. What it held is lost.
func (r *RedisServer) Stop() {
	if r.process == nil {
		return
	}
	_ = r.process.Process.Kill() // It may have ended.
	<-r.ended
	r.process = nil
}

// Pause lets it hang until Resume, with its connections open.
func (r *RedisServer) Pause(t testing.TB) { r.signal(t, syscall.SIGSTOP) }

// Resume ends a Pause.
func (r *RedisServer) Resume(t testing.TB) { r.signal(t, syscall.SIGCONT) }

func (r *RedisServer) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if r.process == nil {
		t.Fatal("Redis is stopped")
	}
	if err := r.process.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
