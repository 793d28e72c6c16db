//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestProcesses runs everything as a machine does: each part a process of its own, started by its own command line, ended by
// signals. It builds the binary once for all.
func TestProcesses(t *testing.T) {
	t.Parallel()
	p := build(t)
	for name, test := range stories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// stories are what happens to processes, by the names under which docs/operations.md speaks of them.
func stories() map[string]func(*testing.T, programs) {
	return map[string]func(*testing.T, programs){
		"compose":              composeStarts,
		"redis":                redisStarts,
		"killed":               killed,
		"counts on":            countsOn,
		"frozen":               frozen,
		"one of two killed":    oneOfTwoKilled,
		"far replicas":         farReplicas,
		"three replicas":       threeReplicas,
		"limits of replicas":   limitsOfReplicas,
		"nearest killed":       nearestKilled,
		"one of two frozen":    oneOfTwoFrozen,
		"drained":              drained,
		"second signal":        secondSignal,
		"drain has an end":     drainEnds,
		"second daemon":        secondDaemon,
		"stranger":             stranger,
		"logless":              logless,
		"hung up":              hungUp,
		"exported":             exported,
		"restarted":            restarted,
		"restarted, shared":    restartedShared,
		"rollout unharmed":     rolloutUnharmed,
		"not restarted":        notRestarted,
		"up interrupted":       upInterrupted,
		"up killed":            upKilled,
		"abused":               abused,
		"nodes told":           nodesTold,
		"killed at any moment": killedAtAnyMoment,
	}
}

// TestOperationsAreShown holds the pages for operators against the tests that they name.
func TestOperationsAreShown(t *testing.T) {
	t.Parallel()
	told := stories()
	var tests, pages strings.Builder
	for _, file := range tested(t) {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(code)
	}
	for _, page := range []string{"../docs/operations.md", "../docs/replicas.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		pages.Write(text)
		for _, row := range regexp.MustCompile("(?m)^\\|.*\\| ((?:`[^`]*`(?:, )?)+) \\|$").FindAllStringSubmatch(string(text), -1) {
			for name := range strings.SplitSeq(strings.Trim(row[1], "`"), "`, `") {
				isTest := strings.HasPrefix(name, "Test") && strings.Contains(tests.String(), "\nfunc "+name+"(")
				if told[name] == nil && !isTest {
					t.Errorf("%s: there is no test %q, which is to show: %s", page, name, row[0])
				}
			}
		}
	}
	for name := range told {
		if !strings.Contains(pages.String(), "`"+name+"`") {
			t.Errorf("neither docs/operations.md nor docs/replicas.md tells of %q", name)
		}
	}
}

// tested returns every file of tests in the checkout.
func tested(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// programs is a directory with gatehouse and envoy, which is first on the PATH of every process.
type programs string

// build builds gatehouse as the tests themselves are built, so that what is compiled already is not compiled again.
func build(t *testing.T) programs {
	t.Helper()
	dir := needs.SocketDir(t)
	real := needs.Envoy(t)
	if err := os.Symlink(real, filepath.Join(dir, "envoy")); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"build"}, buildFlags()...)
	args = append(args, "-o", filepath.Join(dir, "gatehouse"), "../cmd/gatehouse")
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return programs(dir)
}

// environment returns what a process sees of the environment: where programs are, and what it is told as "NAME=value".
func (p programs) environment(told []string) []string {
	return append([]string{"PATH=" + string(p) + ":/usr/local/bin:/usr/bin:/bin"}, told...)
}

// command returns a command; a program of ours is taken before one of the machine's.
func (p programs) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	name := args[0]
	if own := filepath.Join(string(p), name); fileExists(own) {
		name = own
	}
	c := exec.CommandContext(ctx, name, args[1:]...)
	c.Env = p.environment(env)
	return c
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run runs a command to its end and returns its exit code, and what it wrote to both streams.
func (p programs) run(t *testing.T, env []string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	text, err := p.command(ctx, env, args...).CombinedOutput()
	if err == nil {
		return 0, string(text)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return exit.ExitCode(), string(text)
	}
	t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, text)
	return 0, ""
}

// healthy waits until a health check, given as a command, says yes.
func (p programs) healthy(t *testing.T, env []string, args ...string) {
	t.Helper()
	eventually(t, strings.Join(args, " "), func() bool {
		code, _ := p.run(t, env, args...)
		return code == 0
	})
}

// process is one that runs.
type process struct {
	t       *testing.T
	name    string
	command *exec.Cmd
	out     *buffer
	ended   chan struct{} // Closed when it has ended.
}

// start starts a command; it is killed at the end of the test if it runs then.
func (p programs) start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return p.startWriting(t, env, nil, args...)
}

// startWriting is start with both streams of the process going elsewhere, unless that is nil.
func (p programs) startWriting(t *testing.T, env []string, to *os.File, args ...string) *process {
	t.Helper()
	r := &process{t: t, name: strings.Join(args, " "), out: &buffer{}, ended: make(chan struct{})}
	r.command = p.command(context.WithoutCancel(t.Context()), env, args...)
	r.command.Stdout, r.command.Stderr = r.out, r.out
	if to != nil {
		r.command.Stdout, r.command.Stderr = to, to
	}
	r.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.command.Start(); err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	go func() {
		_ = r.command.Wait() // Its state tells.
		close(r.ended)
	}()
	t.Cleanup(func() {
		// The whole group: a child that outlived its parent is a failure elsewhere, but must not outlive the test.
		_ = syscall.Kill(-r.command.Process.Pid, syscall.SIGKILL)
		<-r.ended
		if t.Failed() {
			t.Logf("%s wrote at last:\n%s", r.name, strings.Join(last(strings.SplitAfter(r.out.String(), "\n"), 40), ""))
		}
	})
	return r
}

// last returns the last of some lines.
func last(lines []string, most int) []string { return lines[max(0, len(lines)-most):] }

// signal sends a signal to the process alone.
func (r *process) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.command.Process.Signal(s); err != nil {
		r.t.Fatalf("%v to %s: %v", s, r.name, err)
	}
}

// kill ends the process as a crash does.
func (r *process) kill() {
	r.t.Helper()
	r.signal(syscall.SIGKILL)
	r.wait()
}

// wait waits for the end and returns how it ended: "exit status 0", "signal: killed".
func (r *process) wait() string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	select {
	case <-r.ended:
	case <-ctx.Done():
		r.t.Fatalf("%s has not ended within %s", r.name, patience)
	}
	return r.command.ProcessState.String()
}

// end asks the process to end, and expects it to do so in good order.
func (r *process) end(s syscall.Signal) {
	r.t.Helper()
	r.signal(s)
	if state := r.wait(); state != "exit status 0" {
		r.t.Errorf("after %v %s ended with %s", s, r.name, state)
	}
}

// eventually repeats a check until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	(&world{t: t}).eventually(what, holds)
}

// town is a world whose parts are processes: a backend, a daemon and an Envoy.
type town struct {
	*world
	programs
	more                   []string // Of the environment.
	backend, daemon, envoy *process
}

// newTown starts all three on documents in which ${FIRST} is the backend and ${PORT} the listener.
func newTown(t *testing.T, p programs, documents map[string]string, more ...string) *town {
	t.Helper()
	socket := "unix:" + filepath.Join(needs.SocketDir(t), "backend.sock")
	w := &town{world: prepare(t, documents, map[string]string{"FIRST": socket}), programs: p, more: more}
	w.startBackend()
	w.startDaemon()
	w.startEnvoy()
	return w
}

func (w *town) startBackend() {
	w.t.Helper()
	env := []string{"GATEHOUSE_ECHO_ADDRESS=" + w.values["FIRST"]}
	w.backend = w.start(w.t, env, "gatehouse", "echo")
	w.healthy(w.t, env, "gatehouse", "echo", "--check")
}

// places is the environment that tells every verb where the documents and the sockets are.
func (w *town) places() []string {
	return append([]string{
		"GATEHOUSE_CONFIG=" + w.dir, "GATEHOUSE_STATE=" + w.state, "GATEHOUSE_FLEET=edge", "GATEHOUSE_NODE=edge-1",
	}, w.more...)
}

func (w *town) startDaemon() {
	w.t.Helper()
	w.daemon = w.start(w.t, w.places(), "gatehouse", "serve")
	w.healthy(w.t, w.places(), "gatehouse", "serve", "--check")
}

func (w *town) startEnvoy() {
	w.t.Helper()
	w.joinEnvoy()
	w.healthy(w.t, w.places(), "gatehouse", "bootstrap", "--check")
}

// joinEnvoy starts an Envoy and does not wait for it.
func (w *town) joinEnvoy() {
	w.t.Helper()
	code, out := w.run(w.t, w.places(), "gatehouse", "bootstrap")
	if code != 0 {
		w.t.Fatalf("bootstrap: %s", out)
	}
	w.envoy = w.start(w.t, nil, "envoy", "-c", strings.TrimSpace(out), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
}

// answers checks the status of each path, now.
func (w *town) answers(when string, want map[string]int) {
	w.t.Helper()
	for path, status := range want {
		if a := w.get(w.url("PORT", path)); a.status != status {
			w.t.Errorf("%s %s answers %d, want %d: %s", when, path, a.status, status, a.body)
		}
	}
}

// answersAgain waits until each path has its status, as connections are opened anew one after another.
func (w *town) answersAgain(want map[string]int) {
	w.t.Helper()
	for path, status := range want {
		w.eventually(fmt.Sprintf("%s answers %d", path, status), func() bool {
			a, err := w.do(http.MethodGet, w.url("PORT", path))
			return err == nil && a.status == status
		})
	}
}
