package envoy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"
)

// Start says how to run one Envoy as a child of this process.
type Start struct {
	// Binary is the path of the Envoy binary, as Find returns it.
	Binary string
	// Bootstrap is the path of the bootstrap file.
	Bootstrap string
	// Admin is the path of the admin socket that the bootstrap names, by which the child is watched and drained.
	Admin string
	// Concurrency is the number of worker threads; 0 means 1.
	Concurrency int
	// LogLevel is Envoy's own level, such as "info"; empty means "warning".
	LogLevel string
	// Log gets each line that Envoy writes, at its level.
	Log *slog.Logger
}

// Child is a running Envoy. It ends by Stop, when the context it was launched with ends, or, on Linux, when this process
// ends in whatever way.
type Child struct {
	admin   *Admin
	output  *output
	process *os.Process // set before Launch returns
	ended   chan struct{}
	err     error // why it ended; set before ended is closed
}

// ErrEnded tells that an Envoy ended although nobody stopped it.
var ErrEnded = errors.New("envoy ended")

// killDelay is how long an Envoy may take to end after SIGTERM before it gets SIGKILL.
const killDelay = 5 * time.Second

// fileFlush is after how many milliseconds at the latest Envoy writes what it logs into files; its own default is ten seconds.
const fileFlush = "1000"

// readyPoll is the time between two looks at whether an Envoy is ready or its connections are gone.
const readyPoll = 20 * time.Millisecond

// Launch starts an Envoy. When ctx ends, the Envoy is ended without draining: SIGTERM, then SIGKILL. Launch returns when
// the process runs; it is ready for traffic only after WaitReady.
func Launch(ctx context.Context, s Start) (*Child, error) {
	child := &Child{
		admin:  NewAdmin(s.Admin),
		output: &output{log: s.Log},
		ended:  make(chan struct{}),
	}
	command := s.command(ctx, child.output)
	started := make(chan error)
	go child.run(command, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Binary, err)
	}
	return child, nil
}

// command returns the command that runs the Envoy.
func (s Start) command(ctx context.Context, out *output) *exec.Cmd {
	level := s.LogLevel
	if level == "" {
		level = "warning"
	}
	// Without hot restart there is no shared memory that a killed Envoy leaves behind, and no number that two Envoys of
	// one host could both choose.
	command := exec.CommandContext(ctx, s.Binary, "-c", s.Bootstrap, "--disable-hot-restart",
		"--concurrency", strconv.Itoa(max(1, s.Concurrency)), "--log-level", level, "--log-format", logFormat,
		"--file-flush-interval-msec", fileFlush)
	command.Stdout, command.Stderr = out, out
	command.Cancel = func() error { return terminate(command.Process) }
	command.WaitDelay = killDelay
	command.SysProcAttr = childAttributes()
	return command
}

// run starts the Envoy and stays with it until it ends. On Linux a child dies with the thread that started it, not with
// the process, and Go ends threads as it likes: so this goroutine keeps its thread to itself for the child's whole life.
func (c *Child) run(command *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		started <- err
		return
	}
	c.process = command.Process
	started <- nil
	err := command.Wait()
	c.output.Flush()
	if err != nil {
		c.err = fmt.Errorf("%w: %w: %s", ErrEnded, err, c.output.Last())
	} else {
		c.err = ErrEnded
	}
	close(c.ended)
}

// PID returns the process id of the Envoy.
func (c *Child) PID() int { return c.process.Pid }

// Admin returns the Envoy's admin interface.
func (c *Child) Admin() *Admin { return c.admin }

// Ended is closed when the Envoy has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Err returns nil while the Envoy runs; then an error that wraps ErrEnded, with the exit status where it is not 0 and the
// last warnings that the Envoy wrote.
func (c *Child) Err() error {
	select {
	case <-c.ended:
		return c.err
	default:
		return nil
	}
}

// WaitReady returns when the Envoy has its first configuration and accepts traffic, with an error when it ended or ctx
// did before that.
func (c *Child) WaitReady(ctx context.Context) error {
	var last error
	err := c.poll(ctx, func() bool {
		_, last = c.admin.Get(ctx, "/ready")
		return last == nil
	})
	if err != nil && c.Err() == nil {
		return fmt.Errorf("envoy is not ready: %w (%w)", err, last)
	}
	return err
}

// poll asks again and again until the answer is yes, the Envoy has ended, or ctx has.
func (c *Child) poll(ctx context.Context, ask func() bool) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for !ask() {
		select {
		case <-ticker.C:
		case <-c.ended:
			return c.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
