package needs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// PostgresServer is a PostgreSQL of the test's own, with a new and empty cluster. It goes away with the test.
type PostgresServer struct {
	t         testing.TB
	bin       string // The folder of its programs.
	dir       string // The cluster, and beside it the socket and the log.
	port      int
	password  string
	settings  []string
	user      *syscall.Credential // Whom the server runs as; nil for the test's own user.
	mu        sync.Mutex
	first     int             // The process that started the others.
	ended     <-chan struct{} // Closed when it has ended; nil where none runs.
	databases *atomic.Int64
}

// postgresStart is how long a server may take to make a cluster, to start or to stop.
const postgresStart = 60 * time.Second

// Postgres starts a PostgreSQL for the length of a test, on a Unix socket and on a port of loopback, with a password. Where the
// test runs as root, which PostgreSQL refuses to, the server runs as another user. Settings (name=value) go on its command line.
func Postgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	bin := postgresBin(t)
	dir := SocketDir(t)
	s := &PostgresServer{
		t: t, bin: bin, dir: dir, port: Port(t), password: rand.Text(), settings: settings, user: otherUser(t), databases: new(atomic.Int64),
	}
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.user != nil {
		if err := errors.Join(os.Chown(dir, int(s.user.Uid), int(s.user.Gid)), os.Chown(secret, int(s.user.Uid), int(s.user.Gid))); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), postgresStart)
	defer cancel()
	if out, err := s.command(ctx, "initdb", "-D", s.cluster(), "-U", "gatehouse", "-E", "UTF8", "--locale=C", "--no-sync",
		"--auth=scram-sha-256", "--pwfile="+secret).CombinedOutput(); err != nil {
		t.Fatalf("make a cluster: %v: %s", err, out)
	}
	t.Cleanup(func() { s.end(syscall.SIGQUIT) }) // There is nothing to keep.
	s.Start()
	return s
}

// postgresBin finds the folder of PostgreSQL's programs: the newest where Debian puts it, or that of postgres on the PATH.
func postgresBin(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err == nil && len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(strings.Split(path, "/")[4])
			return n
		}
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
	}
	path, err := exec.LookPath("postgres")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		missing(t, "postgres", fmt.Errorf("it is neither in /usr/lib/postgresql nor on the PATH: %w", err))
	}
	return filepath.Dir(path)
}

// otherUser is whom a server runs as that refuses to run as root; nil where the test does not run as root.
func otherUser(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
			gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
			if uidErr == nil && gidErr == nil {
				return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
			}
		}
	}
	missing(t, "a user other than root", errors.New("neither postgres nor nobody is known here"))
	return nil
}

func (s *PostgresServer) cluster() string { return filepath.Join(s.dir, "cluster") }

// command is one of PostgreSQL's programs, run as the server's user.
func (s *PostgresServer) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	command.Dir = s.dir
	command.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "PGPASSWORD=" + s.password}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.user, Setpgid: true}
	return command
}

// URL returns how to reach a database over TCP: postgres://user:password@host:port/name.
func (s *PostgresServer) URL(database string) string {
	place := url.URL{
		Scheme: "postgres", User: url.UserPassword("gatehouse", s.password), Path: database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), RawQuery: "sslmode=disable",
	}
	return place.String()
}

// SocketURL returns how to reach a database over the Unix socket.
func (s *PostgresServer) SocketURL(database string) string {
	query := url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}, "user": {"gatehouse"}, "password": {s.password}}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: query.Encode()}).String()
}

// Port returns the port of loopback on which it listens.
func (s *PostgresServer) Port() int { return s.port }

// Password returns the password that its URLs have.
func (s *PostgresServer) Password() string { return s.password }

// Database makes a new and empty database and returns its URL.
func (s *PostgresServer) Database() string {
	s.t.Helper()
	name := fmt.Sprint("bank", s.databases.Add(1))
	s.SQL("postgres", "CREATE DATABASE "+name)
	return s.URL(name)
}

// SQL runs statements in a database by psql and returns what it prints: one line for each row, without titles.
func (s *PostgresServer) SQL(database, statements string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), postgresStart)
	defer cancel()
	out, err := s.command(ctx, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statements, s.SocketURL(database)).CombinedOutput()
	if err != nil {
		s.t.Errorf("%s: %v: %s", statements, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Start starts a server that was stopped or killed, and waits until it answers.
func (s *PostgresServer) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), postgresStart)
	defer cancel()
	for {
		err := s.launch()
		if err == nil {
			err = s.answers(ctx)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, errEnded) || ctx.Err() != nil {
			said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("PostgreSQL does not start: %v: %s", err, said)
		}
		// A process of the one that was killed before still holds the memory they shared.
	}
}

// errEnded tells that a server ended before it answered.
var errEnded = errors.New("it ended")

// launch starts the server's first process. The server is locked.
func (s *PostgresServer) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // The server has its own.
	args := []string{"-D", s.cluster(), "-p", strconv.Itoa(s.port), "-k", s.dir, "-h", "127.0.0.1"}
	for _, setting := range append([]string{"shared_buffers=16MB", "max_connections=100", "timezone=UTC"}, s.settings...) {
		args = append(args, "-c", setting)
	}
	server := s.command(context.Background(), "postgres", args...) // It outlives the call; end stops it.
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Wait() // However it ended.
		close(ended)
	}()
	s.first, s.ended = server.Process.Pid, ended
	return nil
}

// answers waits until the server takes connections.
func (s *PostgresServer) answers(ctx context.Context) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := s.command(ctx, "pg_isready", "-q", "-h", s.dir, "-p", strconv.Itoa(s.port), "-U", "gatehouse", "-d", "postgres").Run()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-s.ended:
			s.ended = nil
			return errEnded
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// Stop ends the server in order: it throws its clients out and keeps all.
func (s *PostgresServer) Stop() {
	s.t.Helper()
	s.end(syscall.SIGINT)
}

// Kill kills the server and all its processes at once (SIGKILL), as if the machine had lost them.
func (s *PostgresServer) Kill() {
	s.t.Helper()
	s.end(syscall.SIGKILL)
}

// Pause stops the server's processes where they are (SIGSTOP): who asks gets no answer. Resume lets them go on.
func (s *PostgresServer) Pause() { s.each(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *PostgresServer) Resume() { s.each(syscall.SIGCONT) }

// each sends a signal to every process of the server: to the first one and to its children, which lead groups of their own.
func (s *PostgresServer) each(signal syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		signalAll(s.first, signal)
	}
}

// signalAll stops the first process, so that it starts no others meanwhile, and sends a signal to it and to all its children.
// One that has ended needs none.
func signalAll(first int, signal syscall.Signal) {
	if signal != syscall.SIGCONT {
		_ = syscall.Kill(first, syscall.SIGSTOP)
	}
	for _, child := range children(first) {
		_ = syscall.Kill(child, signal)
	}
	_ = syscall.Kill(first, signal)
}

// children are the processes that a process has started, as Linux lists them; elsewhere none are known.
func children(pid int) (found []int) {
	listed, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for field := range strings.FieldsSeq(string(listed)) {
		if child, err := strconv.Atoi(field); err == nil {
			found = append(found, child)
		}
	}
	return found
}

// end sends a signal and waits for the end of the server.
func (s *PostgresServer) end(signal syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		return
	}
	if signal == syscall.SIGKILL {
		signalAll(s.first, signal)
	} else {
		_ = syscall.Kill(s.first, signal) // It ends its children itself.
	}
	select {
	case <-s.ended:
	case <-time.After(postgresStart):
		signalAll(s.first, syscall.SIGKILL)
		<-s.ended
		s.t.Errorf("PostgreSQL did not end within %v of signal %v", postgresStart, signal)
	}
	s.ended = nil
}
