//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// often returns how many times something is to be tried: few times in `make test`, many with GATEHOUSE_LONG=1.
func often(short, long int) int {
	if os.Getenv("GATEHOUSE_LONG") != "" {
		return long
	}
	return short
}

// dynasty is a town whose daemon is replaced by successors: the first is a child of the test, the others are not.
type dynasty struct {
	*town
	log string // The file that all daemons write to.
	pid int    // Of the one that serves.
}

// newDynasty starts a backend, a daemon and an Envoy.
func newDynasty(t *testing.T, p programs, documents map[string]string, more ...string) *dynasty {
	t.Helper()
	socket := "unix:" + filepath.Join(t.TempDir(), "backend.sock")
	w := &dynasty{
		town: &town{world: prepare(t, documents, map[string]string{"FIRST": socket}), programs: p, more: more},
		log:  filepath.Join(t.TempDir(), "log"),
	}
	w.startBackend()
	w.startFirst()
	w.startEnvoy()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemons wrote at last:\n%s", strings.Join(last(strings.SplitAfter(w.written(), "\n"), 60), ""))
		}
	})
	return w
}

// startFirst starts a daemon that writes to a file: what a successor writes must not keep the test waiting for the first.
func (w *dynasty) startFirst() {
	w.t.Helper()
	file, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	w.daemon = w.startWriting(w.t, w.places(), file, "gatehouse", "serve")
	if err := file.Close(); err != nil {
		w.t.Error(err)
	}
	w.pid = w.daemon.command.Process.Pid
	w.healthy(w.t, w.places(), "gatehouse", "serve", "--check")
}

func (w *dynasty) written() string {
	w.t.Helper()
	text, err := os.ReadFile(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// send sends a signal to the daemon that serves.
func (w *dynasty) send(s syscall.Signal) {
	w.t.Helper()
	if err := syscall.Kill(w.pid, s); err != nil {
		w.t.Fatalf("%v to daemon %d: %v", s, w.pid, err)
	}
}

// restart hands over to a successor, and waits until that serves and the old one has ended.
func (w *dynasty) restart() {
	w.t.Helper()
	stopped := strings.Count(w.written(), "msg=stopped")
	w.send(syscall.SIGUSR2)
	over := regexp.MustCompile(`msg="handed over" pid=(\d+)`)
	w.eventually("the old daemon has handed over and ended", func() bool {
		return strings.Count(w.written(), "msg=stopped") == stopped+1
	})
	all := over.FindAllStringSubmatch(w.written(), -1)
	if len(all) == 0 {
		w.t.Fatal("nobody has taken over")
	}
	pid, err := strconv.Atoi(all[len(all)-1][1])
	if err != nil || pid == w.pid {
		w.t.Fatalf("daemon %d handed over to %d: %v", w.pid, pid, err)
	}
	w.pid = pid
}

// restarted replaces the daemon again and again while requests flow on every kind of route. Not one fails, nothing is sent
// to the Envoy again, and a limit counts on as if nothing had been.
func restarted(t *testing.T, p programs) {
	const limit = 100
	documents := strings.Replace(outage, "limits: [{name: all, limit: 1000, per: 1m}]}\n---", fmt.Sprintf(
		"limits: [{name: all, limit: 100000000, per: 1m}]}\n  - {id: few, path: /few, limits: [{name: few, limit: %d, per: 1h}]}\n---", limit), 1)
	documents = strings.Replace(documents, "limit: 1000,", "limit: 100000000,", 1)
	w := newDynasty(t, p, map[string]string{"bank.yaml": documents})
	w.answersAgain(map[string]int{"/public": 200, "/decided": 200, "/limited": 200, "/other/limited": 200})

	stops := map[string]func() (int64, error){}
	for _, path := range []string{"/public", "/decided", "/limited", "/other/decided", "/other/limited"} {
		stops[path] = w.load(1, w.url("PORT", path))
	}
	var passed, refused atomic.Int64
	few := func() { // Some of what the limit allows, before, during and after each restart.
		for range 10 {
			switch a := w.get(w.url("PORT", "/few")); a.status {
			case http.StatusOK:
				passed.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				t.Errorf("a limited request is answered %+v", a)
			}
		}
	}
	times := often(3, 10)
	for range times {
		few()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			few()
		}()
		w.restart()
		<-ended
		few()
		for _, kind := range w.synced("edge-1").Types {
			if kind.Responses > 0 {
				t.Errorf("after a restart %d bytes of %s were sent again", kind.Bytes, kind.Type)
			}
		}
	}
	for range 10 {
		few()
	}
	var all int64
	for path, stop := range stops {
		sent, wrong := stop()
		all += sent
		if wrong = serious(wrong); wrong != nil || sent < 100 {
			t.Errorf("%s: of %d requests some failed: %v", path, sent, wrong)
		}
	}
	if passed.Load() != limit {
		t.Errorf("%d requests passed a limit of %d, %d were refused", passed.Load(), limit, refused.Load())
	}
	t.Logf("%d requests during %d restarts", all, times)
	if state := w.daemon.wait(); state != "exit status 0" {
		t.Errorf("the first daemon ended with %s", state)
	}
	w.send(syscall.SIGTERM)
	w.eventually("the last daemon has removed its sockets", func() bool {
		left, err := filepath.Glob(filepath.Join(w.state, "*.sock"))
		return err == nil && len(left) == 0
	})
}

// serious returns the failures that are no matter of speed: on a busy machine, under the race detector, a policy may take longer
// than the 10 ms that it has.
func serious(wrong error) error {
	if wrong == nil || !slowed {
		return wrong
	}
	var left []error
	for line := range strings.Lines(wrong.Error()) {
		if !strings.Contains(line, `"code":"policy-failed","reason":"timeout"`) {
			left = append(left, errors.New(strings.TrimSpace(line)))
		}
	}
	return errors.Join(left...)
}

// notRestarted asks for hand-overs that cannot succeed: the daemon goes on and says why, and hands over when it can.
func notRestarted(t *testing.T, p programs) {
	own := p.copied(t)
	manager := filepath.Join(t.TempDir(), "notify")
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: manager, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	cards := strings.Replace(extra("cards", "/cards"), "to: site", "to: bank", 1)
	w := newDynasty(t, own, map[string]string{"bank.yaml": outage, "cards.yaml": cards}, "NOTIFY_SOCKET="+manager)
	w.answersAgain(map[string]int{"/decided": 200, "/cards": 200})
	first := w.pid
	stop := w.load(2, w.url("PORT", "/decided"))

	w.write("cards.yaml", strings.Replace(cards, "authenticate: none", "authenticate: {jwt: nobody}", 1))
	w.eventually("the API's last good version is served", func() bool { return len(w.revision().Substitutions) == 1 })
	w.write("more.yaml", "schema: 1\nkind: Nothing\nname: nothing\n")
	w.refusesRestart("more.yaml")
	w.write("more.yaml", "")
	w.write("cards.yaml", cards)
	w.eventually("the faults are gone", func() bool { return len(w.revision().Faults) == 0 })

	program := filepath.Join(string(own), "gatehouse")
	if err := errors.Join(os.Rename(program, program+".good"), os.WriteFile(program, []byte("#!/bin/sh\nexit 3\n"), 0o700)); err != nil { //nolint:gosec // A program.
		t.Fatal(err)
	}
	w.refusesRestart("the new process ended before it took over (exit status 3)")
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	w.refusesRestart("find the program of the new process")
	if err := os.Rename(program+".good", program); err != nil {
		t.Fatal(err)
	}

	if w.restart(); w.pid == first {
		t.Error("nobody has taken over")
	}
	w.answers("after a hand-over", map[string]int{"/public": 200, "/decided": 200, "/denied": 403, "/limited": 200, "/cards": 200})
	if sent, wrong := stop(); serious(wrong) != nil || sent == 0 {
		t.Errorf("of %d requests some failed: %v", sent, wrong)
	}
	for _, want := range []string{"READY=1", fmt.Sprintf("MAINPID=%d", w.pid)} {
		word := make([]byte, 100)
		if err := told.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if n, err := told.Read(word); err != nil || string(word[:n]) != want {
			t.Errorf("the service manager is told %q, %v, want %q", word[:n], err, want)
		}
	}
	w.send(syscall.SIGTERM)
}

// copied returns the same programs in a directory of a test's own, where it may replace them.
func (p programs) copied(t *testing.T) programs {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"gatehouse", "envoy"} {
		from, err := filepath.EvalSymlinks(filepath.Join(string(p), name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(from, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return programs(dir)
}

// refusesRestart asks for a hand-over, which fails for a reason that the daemon's log tells.
func (w *dynasty) refusesRestart(why string) {
	w.t.Helper()
	const said = "not handed over, serving on"
	before := strings.Count(w.written(), said)
	w.send(syscall.SIGUSR2)
	w.eventually("the hand-over is refused", func() bool { return strings.Count(w.written(), said) > before })
	if _, reason, _ := cutLast(w.written(), said); !strings.Contains(reason, why) {
		w.t.Errorf("the hand-over is refused with %q, want %q", reason, why)
	}
	if err := w.admin().Ready(w.t.Context()); err != nil {
		w.t.Errorf("after a hand-over in vain: %v", err)
	}
}

// cutLast is strings.Cut at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}
