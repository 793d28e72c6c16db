package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// childWord as the first argument makes this program serve as a child of itself.
const childWord = "child"

// stopLimit bounds how long a child may take to end when it is told to.
const stopLimit = 10 * time.Second

// child is this program in another process, serving something. It ends by stop, when the context ends, or when this process
// does, in whatever way.
type child struct {
	kind  string
	hello hello

	pid   int
	mu    sync.Mutex // One question at a time.
	in    io.WriteCloser
	out   *bufio.Reader
	ended <-chan error
	kill  func()

	stopping sync.Once
	stopped  error
}

// hello is what a child says first: where it serves, or why not.
type hello struct {
	Addresses map[string]string
	Error     string
}

// spawn starts a child and waits until it serves.
func spawn(ctx context.Context, stderr io.Writer, kind string, args ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	ctx, kill := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, program, append([]string{childWord, kind}, args...)...) //nolint:gosec // This program.
	command.Stderr = stderr
	command.WaitDelay = stopLimit
	command.SysProcAttr = childAttributes()
	in, err := command.StdinPipe()
	if err != nil {
		kill()
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	out, theirs, err := os.Pipe() // Not the command's own pipe: that one is closed before all is read.
	if err != nil {
		kill()
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	command.Stdout = theirs
	ended, err := attend(command)
	_ = theirs.Close() // The child has its own.
	if err != nil {
		kill()
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	c := &child{kind: kind, pid: command.Process.Pid, in: in, out: bufio.NewReader(out), ended: ended, kill: kill}
	line, err := c.read()
	if err == nil {
		err = json.Unmarshal([]byte(line), &c.hello)
	}
	if err == nil && c.hello.Error != "" {
		err = errors.New(c.hello.Error)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", kind, err), c.stop())
	}
	return c, nil
}

// attend starts a command and stays with it: on Linux a child dies with the thread that started it, so a goroutine keeps its
// thread to itself until the command has ended. Then it sends how.
func attend(command *exec.Cmd) (<-chan error, error) {
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := command.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		ended <- command.Wait()
	}()
	return ended, <-started
}

// ask has the child do something and returns its answer, one line.
func (c *child) ask(what string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := fmt.Fprintln(c.in, what); err != nil {
		return "", fmt.Errorf("ask %s: %w", c.kind, err)
	}
	answer, err := c.read()
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", c.kind, err)
	}
	if problem, failed := strings.CutPrefix(answer, "error "); failed {
		return "", fmt.Errorf("%s: %s", c.kind, problem)
	}
	return answer, nil
}

func (c *child) read() (string, error) {
	line, err := c.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("it ended: %w", err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// cpu returns the CPU time that the child has used, by its own rusage.
func (c *child) cpu() (time.Duration, error) {
	answer, err := c.ask("cpu")
	if err != nil {
		return 0, err
	}
	used, err := time.ParseDuration(answer)
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", c.kind, err)
	}
	return used, nil
}

// stop ends the child and waits until it is gone. Stopped again, it returns what it returned before.
func (c *child) stop() error {
	c.stopping.Do(func() { c.stopped = c.end() })
	return c.stopped
}

func (c *child) end() error {
	_ = c.in.Close() // The child ends when nobody asks any more.
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case err := <-c.ended:
		c.kill()
		if err != nil {
			return fmt.Errorf("stop %s: %w", c.kind, err)
		}
		return nil
	case <-timer.C:
		c.kill()
		<-c.ended //nolint:errcheck // Killed, as was wanted.
		return fmt.Errorf("stop %s: it had to be killed", c.kind)
	}
}
