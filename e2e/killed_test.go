//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
)

// killed kills each part in turn, as a crash or the kernel short of memory does. The others behave as docs/operations.md
// says, and what is started again finds its place, whatever the dead one left behind.
func killed(t *testing.T, p programs) {
	w := newTown(t, p, map[string]string{"bank.yaml": outage})
	w.answers("with all", whole())
	w.answers("with all", whole())
	w.synced("edge-1")
	counted := w.remaining()
	w.saved()

	w.daemon.kill()
	for _, name := range []string{"xds", "authz", "ratelimit", "accesslog", "admin"} {
		if _, err := os.Lstat(filepath.Join(w.state, name+".sock")); err != nil {
			t.Errorf("a killed daemon leaves its sockets behind, and this test is about that: %v", err)
		}
	}
	w.checkAway()
	if code, out := w.run(t, w.places(), "gatehouse", "serve", "--check"); code != 1 || !strings.Contains(out, "no answer") {
		t.Errorf("the health check of a dead daemon: exit code %d: %s", code, out)
	}
	w.startDaemon()
	for _, kind := range w.synced("edge-1").Types {
		if kind.Responses > 0 {
			t.Errorf("after a restart %d bytes of %s were sent again", kind.Bytes, kind.Type)
		}
	}
	w.answersAgain(whole())
	if after := w.remaining(); after >= counted {
		t.Errorf("%d requests remained before the end, and %d after the restart", counted, after)
	}

	w.envoy.kill()
	if a, err := w.do(http.MethodGet, w.url("PORT", "/public")); err == nil {
		t.Errorf("without an Envoy something answers: %+v", a)
	}
	if code, _ := w.run(t, w.places(), "gatehouse", "bootstrap", "--check"); code != 1 {
		t.Errorf("the health check of a dead Envoy: exit code %d, want 1", code)
	}
	w.eventually("the daemon knows that the Envoy is gone", func() bool {
		n, ok := w.node("edge-1")
		return ok && n.State == admin.Disconnected
	})
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	w.daemon.kill()
	w.joinEnvoy()
	if code, _ := w.run(t, w.places(), "gatehouse", "bootstrap", "--check"); code != 1 {
		t.Errorf("the health check of an Envoy that has no configuration yet: exit code %d, want 1", code)
	}
	w.startDaemon()
	w.healthy(t, w.places(), "gatehouse", "bootstrap", "--check")
	w.answersAgain(whole())

	w.backend.kill()
	for path, want := range map[string]int{"/public": 503, "/decided": 503, "/limited": 503, "/denied": 403, "/other/denied": 403} {
		if a := w.get(w.url("PORT", path)); a.status != want || (want == 503 && a.problem(t) != "upstream-failed") {
			t.Errorf("without the backend %s: %+v", path, a)
		}
	}
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	w.healthy(t, w.places(), "gatehouse", "bootstrap", "--check")
	w.startBackend()
	w.answersAgain(whole())
}

// saved spends, waits until that is written, and returns how many requests remained. A write that ends now may have begun before,
// so it waits for the second one.
func (w *town) saved() (remaining int) {
	w.t.Helper()
	for range 2 {
		remaining = w.remaining()
		spent := time.Now()
		w.eventually("the counts of limits are written", func() bool {
			info, err := os.Stat(filepath.Join(w.state, "buckets"))
			return err == nil && info.ModTime().After(spent)
		})
	}
	return remaining
}

// countsOn ends the daemon while a limit is spent: killed, it forgets at most what it counted in the last seconds; stopped, nothing.
func countsOn(t *testing.T, p programs) {
	const limit, more = 100, 5
	w := newTown(t, p, map[string]string{"bank.yaml": strings.ReplaceAll(outage, "limit: 1000, per: 1m", fmt.Sprintf("limit: %d, per: 1h", limit))})
	w.answersAgain(map[string]int{"/limited": 200})
	for _, kill := range []bool{true, true, false} {
		before := w.saved()
		for range more { // Perhaps they are written, perhaps not.
			w.remaining()
		}
		most := before
		if kill {
			w.daemon.kill()
		} else {
			w.daemon.end(syscall.SIGTERM)
			most = before - more - 1
		}
		w.startDaemon()
		w.synced("edge-1")
		w.answersAgain(map[string]int{"/other/limited": 200})
		if after := w.remaining(); after > most || after < before-more-1 {
			t.Errorf("killed %v: %d of %d remained, %d more were spent, and after the restart one: %d remain", kill, before, limit, more, after)
		}
	}
	for range w.remaining() {
		w.remaining()
	}
	if a := w.get(w.url("PORT", "/limited")); a.status != http.StatusTooManyRequests {
		t.Errorf("beyond the limit: %+v", a)
	}
	w.daemon.end(syscall.SIGTERM)
}

// remaining returns how many requests a limit still allows.
func (w *town) remaining() int {
	w.t.Helper()
	text := left(w.get(w.url("PORT", "/limited")))
	number, err := strconv.Atoi(text)
	if err != nil {
		w.t.Errorf("what remains is %q", text)
	}
	return number
}

// frozen stops processes without ending them: their sockets take connections, and nobody answers. Every route answers by its
// failure mode within the timeouts of the documents.
func frozen(t *testing.T, p programs) {
	const limit = 400 * time.Millisecond
	w := newTown(t, p, map[string]string{"bank.yaml": strings.NewReplacer(
		"{authorization: 2s, limits: 2s}", "{authorization: 400ms, limits: 400ms}", `endpoints: [{address: "${FIRST}"}]`, `endpoints: [{address: "${FIRST}"}]`+"\ntimeout: 400ms",
	).Replace(outage)})
	w.answersAgain(whole())
	w.freeze(w.daemon)
	began := time.Now()
	w.checkAway()
	if took := time.Since(began); took < limit || took > 20*limit {
		t.Errorf("seven requests, six of them with a hop of at most %v, took %v", limit, took)
	}
	if code, out := w.run(t, w.places(), "gatehouse", "serve", "--check"); code != 1 {
		t.Errorf("the health check of a frozen daemon: exit code %d: %s", code, out)
	}
	// It lives, and so its sockets are its own.
	if code, out := w.run(t, w.places(), "gatehouse", "serve"); code != 1 || !strings.Contains(out, "somebody serves on") {
		t.Errorf("a second daemon beside a frozen one: exit code %d: %s", code, out)
	}
	w.daemon.signal(syscall.SIGCONT)
	w.answersAgain(whole())

	w.freeze(w.backend)
	if a := w.get(w.url("PORT", "/public")); a.status != 504 || a.problem(t) != "upstream-timeout" {
		t.Errorf("a frozen backend: %+v", a)
	}
	w.backend.signal(syscall.SIGCONT)
	w.answersAgain(whole())
	w.daemon.end(syscall.SIGTERM)
}

// freeze stops a process, and returns when every thread of it has stopped: on a busy machine some run on for a while.
func (w *town) freeze(p *process) {
	w.t.Helper()
	p.signal(syscall.SIGSTOP)
	if runtime.GOOS != "linux" {
		return
	}
	w.eventually("the process is frozen", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.command.Process.Pid))
		if err != nil || len(threads) == 0 {
			return false
		}
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			_, state, found := strings.Cut(string(text), ") ") // After the name, which stands in parentheses (proc(5)).
			if err != nil || !found || !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return true
	})
}

// secondDaemon starts a daemon on a state directory that another one uses.
func secondDaemon(t *testing.T, p programs) {
	w := &town{world: prepare(t, site(), map[string]string{"FIRST": "127.0.0.1:9"}), programs: p}
	w.startDaemon()
	code, out := w.run(t, w.places(), "gatehouse", "serve")
	if want := "somebody serves on " + w.state + "/xds.sock already: stop it, or choose another state directory"; code != 1 || !strings.Contains(out, want) {
		t.Errorf("exit code %d, want 1 and %q: %s", code, want, out)
	}
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	w.daemon.end(syscall.SIGTERM)
	w.startDaemon()
	w.daemon.end(syscall.SIGINT)
}

// logless takes away who reads a daemon's log.
func logless(t *testing.T, p programs) {
	w := &town{world: prepare(t, site(), map[string]string{"FIRST": "127.0.0.1:9"}), programs: p}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.daemon = w.startWriting(t, w.places(), write, "gatehouse", "serve", "--log-level", "debug")
	if err := errors.Join(write.Close(), read.Close()); err != nil {
		t.Fatal(err)
	}
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	before := w.revision().ID
	w.write("cards.yaml", extra("cards", "/cards"))
	w.eventually("a change is in use", func() bool { return w.revision().ID != before })
	w.daemon.end(syscall.SIGTERM)
}

// hungUp sends a daemon the signal that daemons take for "load again", and terminals send at their end.
func hungUp(t *testing.T, p programs) {
	w := serving(t, p)
	loads := func() int { return strings.Count(w.daemon.out.String(), "revision in use") }
	before := loads()
	w.daemon.signal(syscall.SIGHUP)
	w.eventually("it loads again", func() bool { return loads() > before })
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	w.daemon.end(syscall.SIGTERM)
}
