package handover_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/handover"
)

// TestMain makes this binary the successor where a test has started it as one.
func TestMain(m *testing.M) {
	if _, ok := os.LookupEnv(handover.Variable); ok && len(os.Args) > 1 && os.Args[1] == "successor" {
		os.Exit(successor())
	}
	os.Exit(m.Run())
}

// successor answers one message with its body doubled, then one connection on the inherited listener, and copies what comes
// for calls.
func successor() int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := handover.Inherit(os.LookupEnv)
	if err != nil || len(p.Listeners) != 1 {
		return 3
	}
	m, err := p.Receive(ctx)
	if err != nil {
		return 4
	}
	if err := p.Send(ctx, m.Kind+1, append(m.Body, m.Body...)); err != nil {
		return 5
	}
	c, err := p.Listeners[0].Accept()
	if err != nil {
		return 6
	}
	if _, err := io.WriteString(c, "new"); err != nil || c.Close() != nil {
		return 7
	}
	if _, err := io.Copy(p.Calls, p.Calls); err != nil {
		return 8
	}
	return 0
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, args...)
	c.Env = os.Environ()
	c.Stderr = os.Stderr
	return c
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestHandOver starts a real second process, which answers on the first one's socket after that has closed it.
func TestHandOver(t *testing.T) {
	t.Parallel()
	l := listen(t)
	accepting := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		accepting <- err
	}()
	s, err := handover.Start(command(t, "successor"), []handover.Listener{l})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Close(); err != nil { // Also where somebody accepts: the socket has not become a blocking one.
		t.Fatal(err)
	}
	if err := <-accepting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting ended with %v, want %v", err, net.ErrClosed)
	}
	// Whoever connects while nobody accepts waits in the queue that both share.
	early, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 100_000)
	if err := s.Send(ctx, 7, []byte(body)); err != nil {
		t.Fatal(err)
	}
	m, err := s.Receive(ctx)
	if err != nil || m.Kind != 8 || string(m.Body) != body+body {
		t.Errorf("got kind %d and %d bytes, %v", m.Kind, len(m.Body), err)
	}
	if text, err := io.ReadAll(early); err != nil || string(text) != "new" {
		t.Errorf("on the shared socket: %q, %v", text, err)
	}
	if _, err := io.WriteString(s.Calls, "call"); err != nil {
		t.Fatal(err)
	}
	if err := s.Calls.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(s.Calls); err != nil || string(text) != "call" {
		t.Errorf("calls: %q, %v", text, err)
	}
	if _, err := s.Receive(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("after its end: %v, want %v", err, io.EOF)
	}
	<-s.Ended()
	if s.State() != "exit status 0" {
		t.Errorf("the successor ended with %s", s.State())
	}
}

// TestSuccessorFails starts what cannot be started, what ends at once, and what never says a word.
func TestSuccessorFails(t *testing.T) {
	t.Parallel()
	missing := command(t)
	missing.Path = "/nowhere/gatehouse"
	if _, err := handover.Start(missing, nil); err == nil || !strings.Contains(err.Error(), "start the new process") {
		t.Errorf("a program that is not there: %v", err)
	}
	s, err := handover.Start(command(t, "successor"), nil) // It expects one socket.
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Receive(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("a program that ends at once: %v, want %v", err, io.EOF)
	}
	if <-s.Ended(); s.State() != "exit status 3" {
		t.Errorf("it ended with %s", s.State())
	}
	if s, err = handover.Start(command(t, "successor"), []handover.Listener{listen(t)}); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Receive(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a program that says nothing: %v, want %v", err, context.DeadlineExceeded)
	}
	if err := s.Kill(); err != nil {
		t.Error(err)
	}
	if s.State() != "signal: killed" {
		t.Errorf("it ended with %s", s.State())
	}
}

func TestNothingInherited(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"": "", "two": "should be a number", "-1": "should be a number", "1000": "should be a number"} {
		p, err := handover.Inherit(func(string) (string, bool) { return value, true })
		if p != nil || (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, %v, want an error with %q", value, p, err, want)
		}
	}
	if p, err := handover.Inherit(func(string) (string, bool) { return "", false }); p != nil || err != nil {
		t.Errorf("without the variable: %v, %v", p, err)
	}
}
