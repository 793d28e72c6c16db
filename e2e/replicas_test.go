//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// pair is two daemons with the same documents and an Envoy that knows both.
type pair struct {
	*town
	daemons [2]*process
	places  [2][]string          // The environment of each.
	at      [2]map[string]string // Where each serves, as the Envoy names it, by the Envoy's cluster.
}

// hop is a bank whose routes ask Gatehouse, and fail when nobody answers.
func hop() map[string]string {
	return map[string]string{"bank.yaml": `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
timeouts: {authorization: 1s, limits: 1s}
---
kind: Upstream
name: bank
endpoints: [{address: "${FIRST}"}]
---
kind: Policy
name: anybody
rego: |
  package anybody
  allow := true
---
kind: API
name: bank
version: v1
expose: [{gateway: edge}]
authenticate: none
to: bank
when-away: {authorization: closed, limits: closed}
operations:
  - {id: public, path: /public}
  - {id: decided, path: /decided, authorize: [anybody]}
  - {id: limited, path: /limited, authorize: [anybody], limits: [{name: all, limit: 1000000, per: 1h, store-timeout: 100ms}]}
`}
}

// newPair starts them all. Where the second is far, it is reached by TCP, and the first by sockets, which are nearer.
func newPair(t *testing.T, p programs, far bool) *pair {
	t.Helper()
	socket := "unix:" + filepath.Join(needs.SocketDir(t), "backend.sock")
	w := &pair{town: &town{world: prepare(t, hop(), map[string]string{"FIRST": socket}), programs: p}}
	w.startBackend()
	states := [2]string{w.state, needs.SocketDir(t)}
	for i, state := range states {
		w.places[i] = []string{"GATEHOUSE_CONFIG=" + w.dir, "GATEHOUSE_STATE=" + state}
		w.at[i] = map[string]string{}
	}
	for _, service := range []string{"xds", "authz", "ratelimit", "accesslog"} {
		variable := "GATEHOUSE_" + strings.ToUpper(service) + "_ADDRESS="
		addresses := make([]string, len(states))
		for i, state := range states {
			addresses[i] = "unix:" + filepath.Join(state, service+".sock")
			if far && i == 1 {
				addresses[i] = fmt.Sprintf("127.0.0.1:%d", needs.Port(t))
				w.places[i] = append(w.places[i], variable+addresses[i])
			}
			w.at[i]["gatehouse_"+service] = strings.TrimPrefix(addresses[i], "unix:")
		}
		w.more = append(w.more, variable+strings.Join(addresses, ","))
	}
	for i := range w.daemons {
		w.startOne(i)
	}
	w.startEnvoy()
	return w
}

// startOne starts one of the daemons.
func (w *pair) startOne(i int) {
	w.t.Helper()
	w.daemons[i] = w.start(w.t, w.places[i], "gatehouse", "serve")
	w.healthy(w.t, w.places[i], "gatehouse", "serve", "--check")
}

// tells returns what the Envoy says about one of the daemons, such as health_flags, by cluster.
func (w *pair) tells(i int, what string) map[string]string {
	w.t.Helper()
	text, err := envoy.NewAdmin(filepath.Join(w.state, "edge", "edge-1", "admin.sock")).Get(w.t.Context(), "/clusters")
	if err != nil {
		w.t.Fatal(err)
	}
	told := map[string]string{}
	for cluster, address := range w.at[i] {
		_, rest, _ := strings.Cut(string(text), cluster+"::"+address+"::"+what+"::")
		told[cluster], _, _ = strings.Cut(rest, "\n")
	}
	return told
}

// known waits until the Envoy knows that a daemon answers, or that it does not, in whatever it asks it.
func (w *pair) known(i int, answers bool) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the Envoy knows whether daemon %d answers: %v", i, answers), func() bool {
		for _, flags := range w.tells(i, "health_flags") {
			if flags == "" || (flags == "healthy") != answers {
				return false
			}
		}
		return true
	})
}

// aims are requests of all kinds.
func (w *pair) aims() []aim {
	backends := []string{"echo"}
	return []aim{{path: "/public", backends: backends}, {path: "/decided", backends: backends}, {path: "/limited", backends: backends}}
}

// hold waits while some requests are sent.
func (r *traffic) hold(requests int64) {
	r.t.Helper()
	until := r.sent.Load() + requests
	eventually(r.t, "requests are answered", func() bool { return r.sent.Load() >= until })
}

// oneOfTwoKilled kills one daemon and then the other, each back before, under load: no request fails.
func oneOfTwoKilled(t *testing.T, p programs) { killInTurn(t, newPair(t, p, false)) }

// nearestKilled does the same where one daemon is nearer than the other, which is asked nothing before.
func nearestKilled(t *testing.T, p programs) {
	w := newPair(t, p, true)
	w.known(0, true)
	r := w.traffic("PORT", w.aims()...)
	r.hold(perSecond)
	if asked := w.tells(1, "rq_total")[envoy.ClusterAuthz]; asked != "0" {
		t.Errorf("the daemon that is farther was asked %s times", asked)
	}
	r.stop()
	killInTurn(t, w)
	if asked := w.tells(1, "rq_total")[envoy.ClusterAuthz]; asked == "0" {
		t.Error("the daemon that is farther was never asked")
	}
}

func killInTurn(t *testing.T, w *pair) {
	t.Helper()
	r := w.traffic("PORT", w.aims()...)
	for range times(1, 20) {
		for i := range w.daemons {
			w.known(1-i, true)
			r.hold(perSecond / 2)
			w.daemons[i].kill()
			r.hold(perSecond)
			w.startOne(i)
			w.known(i, true)
		}
	}
	r.stop()
}

// slowMost is which part of all requests may be slow while one of two daemons hangs, and is noticed, twice in ten seconds.
const slowMost = 8

// oneOfTwoFrozen stops one daemon with its connections open, under load, and lets it go on: some requests are slow, none fails.
func oneOfTwoFrozen(t *testing.T, p programs) {
	w := newPair(t, p, false)
	r := w.traffic("PORT", w.aims()...)
	for i := range w.daemons {
		w.known(1-i, true)
		r.hold(perSecond)
		w.freeze(w.daemons[i])
		w.known(i, false)
		r.hold(2 * perSecond)
		w.daemons[i].signal(syscall.SIGCONT)
		w.known(i, true)
		r.hold(perSecond)
	}
	r.stop()
	if slow, sent := r.slow.Load(), r.sent.Load(); slow*slowMost > sent {
		t.Errorf("%d of %d requests were slow", slow, sent)
	}
}

// restartedShared hands over while limits are counted in Redis: they count on there, and nothing of them moves.
func restartedShared(t *testing.T, p programs) {
	w := newDynasty(t, p, hop(), "GATEHOUSE_LIMITS_STORE=unix:"+needs.Redis(t).Socket)
	w.answersAgain(map[string]int{"/public": 200, "/limited": 200})
	before := w.counted()
	w.restart()
	w.answersAgain(map[string]int{"/limited": 200})
	if after := w.counted(); after >= before || before-after > 100 {
		t.Errorf("%d remained before the hand-over, %d after it", before, after)
	}
	w.send(syscall.SIGTERM)
	w.eventually("the last daemon has ended", func() bool { return strings.Count(w.written(), "msg=stopped") == 2 })
}

// counted returns what the limit of a request with one still allows, once its store is asked.
func (w *dynasty) counted() (remaining int) {
	w.t.Helper()
	w.eventually("the limit is counted", func() bool {
		a, err := w.do(http.MethodGet, w.url("PORT", "/limited"))
		if err != nil {
			return false
		}
		remaining, err = strconv.Atoi(left(a))
		return err == nil
	})
	return remaining
}
