//go:build e2e

package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// severalEnvoys is how many Envoys joined the replicas, all of one fleet. They share one port, among which the kernel spreads connections.
const severalEnvoys = 6

// several are daemons over one PostgreSQL and one Redis, and Envoys that joined them by mutual TLS.
type several struct {
	*town
	database string // Its URL.
	redis    string // The address of its socket.
	limits   *needs.RedisServer
	postgres *needs.PostgresServer
	replicas []*replica
	edges    []envoy.Settings
	envoys   []*process // Theirs, in the same order.
}

// replica is one of the daemons, also where a process of it ended and another one began.
type replica struct {
	*several
	name, state string
	nodes, join string   // Where Envoys reach it.
	log         string   // The file that all its processes write.
	within      string   // A program that starts it elsewhere; "": it is started here.
	instead     []string // Of the environment, where it reaches the stores otherwise.
	first       *process
	pid         int
	ends        []time.Time // When it was killed.
}

// severalDocuments have a route without a hop, and routes that fail when nobody answers their hops.
func severalDocuments(limit int) map[string]string {
	text := strings.Replace(hop()["bank.yaml"], "timeouts: {authorization: 1s, limits: 1s}",
		// So long that a busy machine is not taken for a replica that does not answer: each of two attempts has a half of it.
		"timeouts: {authorization: 4s, limits: 4s}\nrollout: {waves: [{percent: 100%}], soak: 1s}", 1)
	text += fmt.Sprintf(`  - {id: few, path: /few, limits: [{name: few, limit: %d, per: 1h, store-timeout: 1s}]}
---
kind: Upstream
name: pushed
endpoints: pushed
---
kind: API
name: pushed
version: v1
expose: [{gateway: edge, base: /pushed}]
authenticate: none
to: pushed
operations: [{id: get, method: GET, path: /}]
`, limit)
	return map[string]string{"bank.yaml": text}
}

// newSeveral starts three replicas and the Envoys on some documents, which are applied.
func newSeveral(t *testing.T, p programs, documents map[string]string) *several {
	t.Helper()
	w := prepareSeveral(t, p, documents)
	for _, name := range []string{"a", "b", "c"} {
		w.add(name).start()
	}
	w.populate()
	return w
}

// prepareSeveral starts what the replicas share, and the backend.
func prepareSeveral(t *testing.T, p programs, documents map[string]string) *several {
	t.Helper()
	socket := "unix:" + filepath.Join(needs.SocketDir(t), "backend.sock")
	w := &several{town: &town{world: prepare(t, documents, map[string]string{"FIRST": socket}), programs: p}}
	w.startBackend()
	w.postgres = needs.Postgres(t)
	w.database = w.postgres.Database()
	w.limits = needs.Redis(t)
	w.redis = "unix:" + w.limits.Socket
	return w
}

// add adds a replica on this host, which does not run yet.
func (w *several) add(name string) *replica {
	w.t.Helper()
	at := func() string { return fmt.Sprintf("127.0.0.1:%d", needs.Port(w.t)) }
	r := &replica{several: w, name: name, state: needs.SocketDir(w.t), nodes: at(), join: at(), log: filepath.Join(w.t.TempDir(), "log")}
	w.replicas = append(w.replicas, r)
	w.t.Cleanup(func() {
		_ = syscall.Kill(r.pid, syscall.SIGKILL) // A successor is no child of the test.
		if w.t.Failed() {
			w.t.Logf("replica %s wrote at last:\n%s", r.name, strings.Join(last(strings.SplitAfter(r.written(), "\n"), 60), ""))
		}
	})
	return r
}

// start starts a process of the replica, and waits until it is ready.
func (r *replica) start() {
	r.t.Helper()
	r.launch()
	r.eventually("replica "+r.name+" is ready", func() bool { return r.client().Ready(r.t.Context()) == nil })
}

// launch is start without waiting.
func (r *replica) launch() {
	r.t.Helper()
	file, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	command := []string{"gatehouse", "serve"}
	if r.within != "" {
		command[0] = r.within
	}
	r.first = r.startWriting(r.t, r.environment(), file, command...)
	if err := file.Close(); err != nil {
		r.t.Error(err)
	}
	r.pid = r.first.command.Process.Pid
}

func (r *replica) environment() []string {
	return append([]string{
		"GATEHOUSE_STATE=" + r.state, "GATEHOUSE_STORE=" + r.database, "GATEHOUSE_LIMITS_STORE=" + r.redis, "GATEHOUSE_REPLICA=" + r.name,
		"GATEHOUSE_NODES_ADDRESS=" + r.nodes, "GATEHOUSE_JOIN_ADDRESS=" + r.join, "GATEHOUSE_ADVERTISE=" + r.nodes,
	}, r.instead...)
}

func (r *replica) written() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return ""
	}
	return string(text)
}

// crash kills the process, as a crash does.
func (r *replica) crash() {
	r.t.Helper()
	r.ends = append(r.ends, time.Now())
	if r.pid == r.first.command.Process.Pid {
		r.first.kill()
		return
	}
	if err := syscall.Kill(r.pid, syscall.SIGKILL); err != nil {
		r.t.Fatalf("kill replica %s: %v", r.name, err)
	}
	r.eventually("the killed process has let go of its addresses", func() bool {
		for _, at := range [][2]string{{"unix", filepath.Join(r.state, "admin.sock")}, {"unix", filepath.Join(r.state, "xds.sock")}, {"tcp", r.nodes}, {"tcp", r.join}} {
			if c, err := new(net.Dialer).DialContext(r.t.Context(), at[0], at[1]); err == nil {
				_ = c.Close()
				return false
			}
		}
		return true
	})
}

// handOver replaces the process by a successor, and waits until that is ready.
func (r *replica) handOver() {
	r.t.Helper()
	over := regexp.MustCompile(`msg="handed over" pid=(\d+)`)
	before := len(over.FindAllString(r.written(), -1))
	if err := syscall.Kill(r.pid, syscall.SIGUSR2); err != nil {
		r.t.Fatal(err)
	}
	var all [][]string
	r.eventually("replica "+r.name+" has handed over", func() bool {
		all = over.FindAllStringSubmatch(r.written(), -1)
		return len(all) > before && r.client().Ready(r.t.Context()) == nil
	})
	pid, err := strconv.Atoi(all[len(all)-1][1])
	if err != nil || pid == r.pid {
		r.t.Fatalf("process %d handed over to %d: %v", r.pid, pid, err)
	}
	r.pid = pid
}

// client returns a client of the replica's management API.
func (r *replica) client() *admin.Client {
	r.t.Helper()
	c, err := admin.Dial("unix:"+filepath.Join(r.state, "admin.sock"), "")
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// leads reports whether the replica leads, by its own word.
func (r *replica) leads() bool {
	all, err := r.client().Replicas(r.t.Context())
	return err == nil && len(all) > 0 && all[0].Self && all[0].Leads
}

// leader waits until a replica other than some leads.
func (w *several) leader(but ...*replica) *replica {
	w.t.Helper()
	var leader *replica
	w.eventually("another replica leads", func() bool {
		for _, r := range w.replicas {
			if !slices.Contains(but, r) && r.leads() {
				leader = r
				return true
			}
		}
		return false
	})
	return leader
}

// proposal is a whole source, which holds all documents.
func (w *several) proposal() admin.Proposal {
	w.t.Helper()
	return admin.Proposal{Source: "bank", Files: map[string][]byte{"bank.yaml": w.read("bank.yaml")}, Message: "the bank"}
}

// populate applies the documents and lets the Envoys join, each another replica, and waits until all have all.
func (w *several) populate() {
	w.t.Helper()
	applied, err := w.leader().client().Apply(w.t.Context(), w.proposal())
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range severalEnvoys {
		w.joinOne(w.replicas[i%len(w.replicas)], fmt.Sprintf("edge-%d", i+1))
	}
	w.alike(applied.Entry)
	w.eventually("requests are answered", func() bool {
		a, err := w.do(http.MethodGet, w.url("PORT", "/limited"))
		return err == nil && a.status == http.StatusOK
	})
	for _, r := range w.replicas {
		w.known(r, true)
	}
}

// joinOne lets an Envoy join at a replica, and starts it and what renews its certificate and follows the replicas.
func (w *several) joinOne(r *replica, name string) {
	w.t.Helper()
	token, err := r.client().CreateToken(w.t.Context(), admin.Grant{Fleet: "edge"})
	if err != nil {
		w.t.Fatal(err)
	}
	at := envoy.Settings{Fleet: "edge", Node: name, Dir: needs.SocketDir(w.t)}
	env := []string{"GATEHOUSE_JOIN_SERVER=" + r.join, "GATEHOUSE_JOIN_TOKEN=" + token.Text, "GATEHOUSE_NODE=" + name, "GATEHOUSE_DIR=" + at.Dir}
	if code, out := w.run(w.t, env, "gatehouse", "nodes", "join"); code != 0 {
		w.t.Fatalf("join: %s", out)
	}
	w.start(w.t, env, "gatehouse", "nodes", "renew")
	w.envoys = append(w.envoys, w.start(w.t, nil, "envoy", "-c", at.BootstrapFile(), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"))
	w.edges = append(w.edges, at)
}

// acknowledged returns the entry that each Envoy has, by the word of the replica that serves it, where that answers.
func (w *several) acknowledged() map[string]int64 {
	got := map[string]int64{}
	for _, r := range w.replicas {
		all, err := r.client().Nodes(w.t.Context(), "")
		if err != nil {
			continue
		}
		for _, n := range all {
			if n.Replica == r.name && n.State == admin.Synced {
				got[n.Name] = max(got[n.Name], n.AcknowledgedEntry)
			}
		}
	}
	return got
}

// alike waits until all replicas serve an entry, and all Envoys have it.
func (w *several) alike(entry int64) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("all replicas serve entry %d", entry), func() bool { return w.served(entry) })
	var got map[string]int64
	defer func() {
		if w.t.Failed() {
			w.t.Logf("Envoys have %v", got)
		}
	}()
	w.eventually(fmt.Sprintf("all Envoys have entry %d", entry), func() bool {
		got = w.acknowledged()
		for _, e := range w.edges {
			if got[e.Node] != entry {
				return false
			}
		}
		return true
	})
}

// served reports whether all replicas serve an entry.
func (w *several) served(entry int64) bool {
	for _, r := range w.replicas {
		revision, err := r.client().Revision(w.t.Context())
		if err != nil || revision.Entry != entry {
			return false
		}
	}
	return true
}

// known waits until all Envoys know that a replica answers whatever they ask it, or that it does not.
func (w *several) known(r *replica, well bool) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("all Envoys know whether replica %s answers: %v", r.name, well), func() bool {
		for _, e := range w.edges {
			text, err := envoy.NewAdmin(e.AdminSocket()).Get(w.t.Context(), "/clusters")
			if err != nil {
				return false
			}
			for _, cluster := range []string{"xds", "authz", "ratelimit", "accesslog"} {
				_, rest, _ := strings.Cut(string(text), "gatehouse_"+cluster+"::"+r.nodes+"::health_flags::")
				// One that is gone from the list of replicas is known not to answer, too.
				if flags, _, _ := strings.Cut(rest, "\n"); (flags == "healthy") != well {
					return false
				}
			}
		}
		return true
	})
}
