//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
)

const (
	// takenOver is within what another replica leads.
	takenOver = 10 * time.Second
	// soonEverywhere is within what a change is at all replicas.
	soonEverywhere = time.Second
	// severalClients is how many connections of their own share the load: enough that each Envoy gets some.
	severalClients = 64
)

// load starts the steady traffic: 300 requests a second over all Envoys, and 500 in the long form.
func (w *several) load(more ...aim) *traffic {
	w.t.Helper()
	backends := []string{"echo"}
	list := append([]aim{{path: "/public", backends: backends}, {path: "/decided", backends: backends}, {path: "/limited", backends: backends}}, more...)
	r := w.trafficAt("PORT", times(300, perSecond), severalClients, list...)
	r.mu.Lock()
	r.excuses = func(complaint string) bool { return strings.Contains(complaint, `"code":"limits-away"`) }
	r.mu.Unlock()
	return r
}

// unharmed ends the load: no request failed. Redis has 50 ms for an answer, and a machine that has other things to do may keep it
// from that: a limit that could not be asked is a failure too, unless replicas that nothing was done to said so of Redis.
func (w *several) unharmed(load *traffic) {
	w.t.Helper()
	load.stop()
	if load.excused == 0 {
		return
	}
	const away = "the server of the limits is away"
	for _, r := range w.replicas {
		if r.within == "" && strings.Contains(r.written(), away) {
			w.t.Logf("%d requests failed as this machine was too busy for Redis, as replica %s says", load.excused, r.name)
			return
		}
	}
	w.t.Errorf("%d requests failed as limits could not be asked", load.excused)
}

// threeReplicas does to three replicas under load what happens to them in years: no request fails, and there is one history.
func threeReplicas(t *testing.T, p programs) {
	const limit = 200
	w := newSeveral(t, p, severalDocuments(limit))
	if _, err := w.replicas[0].client().Apply(t.Context(), change(0)); err != nil {
		t.Fatal(err)
	}
	w.quick()
	w.pushed()
	r := w.load()
	w.counts(limit)
	c := w.churning()
	for range times(1, 10) {
		w.killInTurn(r)
		w.storeRestarts(r)
		w.handsOver(r)
	}
	w.alike(c.stop())
	w.comesAndGoes()
	w.unharmed(r)
	w.oneLed()
	w.allServed()
}

// killInTurn kills each replica, the leader first, and starts it again.
func (w *several) killInTurn(load *traffic) {
	w.t.Helper()
	first := w.leader()
	order := append([]*replica{first}, slices.DeleteFunc(slices.Clone(w.replicas), func(r *replica) bool { return r == first })...)
	for _, r := range order {
		led := r.leads()
		began := time.Now()
		r.crash()
		if led {
			w.leader(r)
			took := time.Since(began)
			w.t.Logf("another replica leads %v after the leader was killed", took.Round(time.Millisecond))
			if took > takenOver {
				w.t.Errorf("another replica leads %v after the leader was killed", took)
			}
		}
		load.hold(int64(load.rate))
		r.start()
		w.known(r, true)
	}
}

// storeRestarts stops PostgreSQL for some seconds, under which nothing suffers but changes.
func (w *several) storeRestarts(load *traffic) {
	w.t.Helper()
	w.postgres.Stop()
	for _, r := range w.replicas {
		r.refusesChanges()
	}
	load.hold(int64(3 * load.rate))
	for _, r := range w.replicas {
		if err := r.client().Ready(w.t.Context()); err != nil {
			w.t.Errorf("without the store replica %s is not ready: %v", r.name, err)
		}
	}
	w.postgres.Start()
	began := time.Now()
	w.leader()
	w.eventually("changes are taken again", func() bool {
		_, err := w.replicas[0].client().Rollback(w.t.Context(), admin.Rollback{Entry: 2, Message: "after the store was away"})
		return err == nil
	})
	w.t.Logf("%v after PostgreSQL was back changes are taken again", time.Since(began).Round(time.Millisecond))
}

// refusesChanges checks that a change is answered 503, and when to try again.
func (r *replica) refusesChanges() {
	r.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(r.state, "admin.sock"))
		},
	}}
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://admin/v1/rollback", bytes.NewBufferString(`{"entry": 1}`))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	began := time.Now()
	answer, err := client.Do(request)
	if err != nil {
		r.t.Errorf("without the store replica %s does not answer: %v", r.name, err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		r.t.Errorf("without the store replica %s answers a change with %d, Retry-After %q", r.name, answer.StatusCode, answer.Header.Get("Retry-After"))
	}
	r.t.Logf("without the store replica %s answers a change with %d after %v", r.name, answer.StatusCode, time.Since(began).Round(time.Millisecond))
}

// handsOver replaces a replica by a successor while another one is told to go back to an older entry.
func (w *several) handsOver(load *traffic) {
	w.t.Helper()
	one := w.leader()
	other := w.replicas[(slices.Index(w.replicas, one)+1)%len(w.replicas)]
	var rolling sync.WaitGroup
	rolling.Go(func() {
		w.eventually("a rollback during a hand-over", func() bool {
			_, err := other.client().Rollback(w.t.Context(), admin.Rollback{Entry: 3, Message: "during a hand-over"})
			return err == nil
		})
	})
	one.handOver()
	rolling.Wait()
	load.hold(int64(load.rate))
	w.leader()
	w.known(one, true)
}

// quick measures after what time a change that is applied at one replica is at all, and at all Envoys.
func (w *several) quick() {
	w.t.Helper()
	rounds := times(5, 50)
	var replicas, envoys time.Duration
	for k := range rounds {
		measured := change(-k - 1)
		began := time.Now()
		applied, err := w.replicas[k%len(w.replicas)].client().Apply(w.t.Context(), measured)
		if err != nil {
			w.t.Fatal(err)
		}
		answered := time.Now()
		w.eventually("all replicas serve it", func() bool { return w.served(applied.Entry) })
		replicas = max(replicas, time.Since(answered))
		w.alike(applied.Entry)
		envoys = max(envoys, time.Since(began))
	}
	w.t.Logf("of %d changes the slowest was at all replicas %v after it was confirmed, and acknowledged by all Envoys %v after it was asked for",
		rounds, replicas.Round(time.Millisecond), envoys.Round(time.Millisecond))
	if replicas > soonEverywhere {
		w.t.Errorf("a change was at all replicas only after %v", replicas)
	}
}

// pushed pushes endpoints at one replica, and measures after what time all Envoys have them.
func (w *several) pushed() {
	w.t.Helper()
	var slowest time.Duration
	for k := range w.replicas {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+k) // Nobody asks there.
		began := time.Now()
		if _, err := w.replicas[k].client().ChangeEndpoints(w.t.Context(), "pushed", admin.EndpointChange{
			Add: []admin.Endpoint{{Address: address, Weight: 1}},
		}); err != nil {
			w.t.Fatal(err)
		}
		w.eventually("all Envoys have the endpoint", func() bool {
			return w.everyEdge(func(e envoy.Settings) bool {
				text, err := envoy.NewAdmin(e.AdminSocket()).Get(w.t.Context(), "/clusters")
				return err == nil && strings.Contains(string(text), "::"+address+"::")
			})
		})
		slowest = max(slowest, time.Since(began))
	}
	w.t.Logf("the slowest of %d pushed endpoints was at all Envoys after %v", len(w.replicas), slowest.Round(time.Millisecond))
	if slowest > 2*soonEverywhere {
		w.t.Errorf("a pushed endpoint was at all Envoys only after %v", slowest)
	}
}

// everyEdge reports whether something holds for every Envoy.
func (w *several) everyEdge(holds func(envoy.Settings) bool) bool {
	return !slices.ContainsFunc(w.edges, func(e envoy.Settings) bool { return !holds(e) })
}

// counts sends more requests than a limit lets through, while a replica is killed: exactly as many pass as it says.
func (w *several) counts(limit int) {
	w.t.Helper()
	var passed, refused atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range limit / 4 { // Twice as many as pass.
				a, err := w.do(http.MethodGet, w.url("PORT", "/few"))
				switch {
				case err != nil:
					w.t.Error(err)
				case a.status == http.StatusOK:
					passed.Add(1)
				case a.status == http.StatusTooManyRequests:
					refused.Add(1)
				default:
					w.t.Errorf("a limited request is answered %+v", a)
				}
			}
		})
	}
	w.eventually("some pass", func() bool { return passed.Load() > int64(limit/8) })
	one := w.replicas[len(w.replicas)-1]
	one.crash()
	one.start()
	clients.Wait()
	w.t.Logf("%d requests passed a limit of %d, %d were refused", passed.Load(), limit, refused.Load())
	if passed.Load() != int64(limit) {
		w.t.Errorf("%d requests passed a limit of %d", passed.Load(), limit)
	}
	w.known(one, true)
}

// comesAndGoes adds a fourth replica and takes it away for good: the Envoys know.
func (w *several) comesAndGoes() {
	w.t.Helper()
	knows := func(r *replica, want bool) time.Duration {
		began := time.Now()
		w.eventually(fmt.Sprintf("the files of all Envoys name replica %s: %v", r.name, want), func() bool {
			return w.everyEdge(func(e envoy.Settings) bool {
				return !slices.ContainsFunc([]string{"xds", "authz", "ratelimit", "accesslog"}, func(cluster string) bool {
					text, err := os.ReadFile(filepath.Join(e.EndpointsDir(), "gatehouse_"+cluster+".yaml"))
					_, port, _ := net.SplitHostPort(r.nodes)
					return err != nil || strings.Contains(string(text), port) != want
				})
			})
		})
		return time.Since(began).Round(time.Millisecond)
	}
	fourth := w.add("d")
	fourth.start()
	came := knows(fourth, true)
	w.known(fourth, true)
	fourth.first.end(syscall.SIGTERM)
	fourth.ends = append(fourth.ends, time.Now())
	w.t.Logf("all Envoys know a fourth replica %v after it is ready, and know no more of it %v after it has ended", came, knows(fourth, false))
	w.replicas = w.replicas[:3]
}

// term is a time for which a replica led.
type term struct {
	replica    string
	number     string
	begin, end time.Time
}

// oneLed holds what the replicas logged against each other: the times for which they led do not overlap.
func (w *several) oneLed() {
	w.t.Helper()
	said := regexp.MustCompile(`time=(\S+) level=\S+ msg="this replica leads( no more)?" replica=\S+ term=(\d+)`)
	var terms []term
	for _, r := range w.replicas {
		var open *term
		for _, line := range said.FindAllStringSubmatch(r.written(), -1) {
			at, err := time.Parse(time.RFC3339Nano, line[1])
			if err != nil {
				w.t.Fatal(err)
			}
			switch {
			case line[2] != "" && open != nil && open.number == line[3]:
				open.end = at
				terms, open = append(terms, *open), nil
			case line[2] == "":
				if open != nil { // It was killed meanwhile.
					open.end = r.killedAfter(open.begin)
					terms = append(terms, *open)
				}
				open = &term{replica: r.name, number: line[3], begin: at}
			}
		}
		if open != nil {
			open.end = r.killedAfter(open.begin)
			terms = append(terms, *open)
		}
	}
	slices.SortFunc(terms, func(a, b term) int { return a.begin.Compare(b.begin) })
	for i := range terms[1:] {
		if terms[i].end.After(terms[i+1].begin) {
			w.t.Errorf("two replicas led at once: %+v and %+v", terms[i], terms[i+1])
		}
	}
	w.t.Logf("%d terms, of which never two at once", len(terms))
}

// killedAfter returns when the replica was killed for the first time after another one; now where it was not.
func (r *replica) killedAfter(after time.Time) time.Time {
	for _, at := range r.ends {
		if at.After(after) {
			return at
		}
	}
	return time.Now()
}

// allServed checks that every Envoy was asked something.
func (w *several) allServed() {
	w.t.Helper()
	for _, e := range w.edges {
		stats, err := envoy.NewAdmin(e.AdminSocket()).Stats(w.t.Context(), `http\..*\.downstream_rq_2xx`)
		var served uint64
		for _, n := range stats {
			served += n
		}
		if err != nil || served < severalClients {
			w.t.Errorf("Envoy %s answered %d requests: %v", e.Node, served, err)
		}
	}
}
