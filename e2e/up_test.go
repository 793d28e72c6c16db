//go:build e2e

package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// trying starts `gatehouse up` on the quickstart and waits until it serves.
func trying(t *testing.T, p programs) (*town, *process) {
	t.Helper()
	// It looks itself whether they are free, and starts the backends.
	ports := map[string]string{}
	for _, name := range []string{"PORT", "FIRST", "SECOND"} {
		ports[name] = strconv.Itoa(needs.Port(t))
		if name != "PORT" {
			ports[name] = "127.0.0.1:" + ports[name]
		}
	}
	w := &town{world: prepare(t, bank(t), ports), programs: p}
	up := w.start(t, []string{"GATEHOUSE_STATE=" + w.state}, "gatehouse", "up", w.dir)
	w.eventually("the quickstart is served", func() bool {
		a, err := w.do("GET", w.url("PORT", "/payments/alice"), token(t, map[string]any{"sub": "alice"}))
		return err == nil && a.status == 200
	})
	return w, up
}

// gone checks that nobody listens any more where `up` and its children did, and that its children have ended.
func (w *town) gone(children []int) {
	w.t.Helper()
	for _, pid := range children {
		w.eventually("process "+strconv.Itoa(pid)+" has ended", func() bool { return !lives(pid) })
	}
	if a, err := w.do("GET", w.url("PORT", "/payments/alice")); err == nil {
		w.t.Errorf("the listener still answers: %+v", a)
	}
	for _, backend := range []string{"FIRST", "SECOND"} {
		if a, err := w.do("GET", "http://"+w.values[backend]+"/"); err == nil {
			w.t.Errorf("the backend still answers: %+v", a)
		}
	}
}

func upInterrupted(t *testing.T, p programs) {
	w, up := trying(t, p)
	children := childrenOf(t, up.command.Process.Pid)
	up.end(syscall.SIGINT)
	w.gone(children)
	if left, err := filepath.Glob(filepath.Join(w.state, "*.sock")); err != nil || len(left) > 0 {
		t.Errorf("it leaves behind %q, %v", left, err)
	}
}

// upKilled gives `up` no chance to end anything: on Linux the kernel ends its Envoy.
func upKilled(t *testing.T, p programs) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends the children of a process that was killed")
	}
	w, up := trying(t, p)
	children := childrenOf(t, up.command.Process.Pid)
	up.kill()
	w.gone(children)
}

// childrenOf returns the processes that a process has started: at least its Envoy. Only Linux tells; elsewhere there are none.
func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields := stat(pid); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			found = append(found, pid)
		}
	}
	if len(found) == 0 {
		t.Fatal("found no child, and there is at least an Envoy")
	}
	return found
}

// lives reports whether a process runs; one that has ended and waits for somebody to ask does not.
func lives(pid int) bool {
	fields := stat(pid)
	return len(fields) > 0 && !slices.Contains([]string{"Z", "X"}, fields[0])
}

// stat returns what the kernel says of a process: state, parent and more (proc_pid_stat(5), from the third field on).
func stat(pid int) []string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil // It has ended.
	}
	// The second field is a name in parentheses, which may hold anything.
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}
