//go:build e2e

package e2e_test

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestReplicaIsPartitioned has one of three replicas in a network namespace of its own, and cuts it off from all others, under load:
// what is sent either way is lost and nobody is told. No request fails, another one leads, and when it is back there is one history.
func TestReplicaIsPartitioned(t *testing.T) {
	t.Parallel()
	if !needs.OwnNetwork(t) {
		return
	}
	space := needs.NewNamespace(t, "127.0.0.1:1") // Before anything is started: with its thread would end what that has started.
	cable := space.Plug(t)
	w := prepareSeveral(t, build(t), severalDocuments(1000))
	far, redis := w.addFar(space, cable)
	far.start() // The first one leads.
	for _, name := range []string{"a", "b"} {
		w.add(name).start()
	}
	w.populate()
	r := w.load()
	for k := range times(1, 5) {
		w.partition(far, cable, r, k == 0)
		redis.set(true) // Now it misses that alone.
		r.hold(int64(2 * r.rate))
		redis.set(false)
		r.hold(int64(r.rate))
	}
	w.unharmed(r)
	w.oneLed()
	w.allServed()
}

// addFar adds a replica in a namespace, which reaches the stores by ways of the test, as they listen on loopback alone. It returns
// the way to Redis too.
func (w *several) addFar(space *needs.Namespace, cable *needs.Cable) (*replica, *way) {
	w.t.Helper()
	r := w.add("far")
	r.within = space.Within(w.t, filepath.Join(string(w.programs), "gatehouse"))
	r.nodes, r.join = cable.There+":18000", cable.There+":18001"
	at, err := url.Parse(w.database)
	if err != nil {
		w.t.Fatal(err)
	}
	at.Host = newWay(w.t, cable.Here, "tcp", at.Host).address
	redis := newWay(w.t, cable.Here, "unix", strings.TrimPrefix(w.redis, "unix:"))
	r.instead = []string{"GATEHOUSE_STORE=" + at.String(), "GATEHOUSE_LIMITS_STORE=redis://" + redis.address}
	return r, redis
}

// partition cuts a replica off, and lets it come back.
func (w *several) partition(far *replica, cable *needs.Cable, load *traffic, leading bool) {
	w.t.Helper()
	near := slices.DeleteFunc(slices.Clone(w.replicas), func(r *replica) bool { return r == far })
	if leading && !far.leads() {
		w.t.Error("the replica that is to be cut off does not lead")
	}
	c := w.churning()
	load.hold(int64(load.rate))
	served := w.servedBy(far)
	cut := time.Now()
	cable.Cut()
	w.leader(far)
	w.t.Logf("another replica leads %v after the leader was cut off", time.Since(cut).Round(time.Millisecond))
	if took := time.Since(cut); took > takenOver {
		w.t.Errorf("another replica leads %v after the leader was cut off", took)
	}
	if far.leads() {
		w.t.Error("cut off, a replica leads on")
	}
	w.known(far, false)
	w.eventually("all Envoys have gone to other replicas", func() bool { return len(w.servedBy(near...)) == severalEnvoys })
	w.t.Logf("%v after the cut all %d Envoys of that replica are at others", time.Since(cut).Round(time.Millisecond), len(served))
	far.refusesChanges()
	if err := far.client().Ready(w.t.Context()); err != nil {
		w.t.Errorf("cut off, a replica is not ready: %v", err)
	}
	load.hold(int64(2 * load.rate))

	cable.Mend()
	back := time.Now()
	w.known(far, true)
	newest := c.stop()
	w.alike(newest)
	w.t.Logf("%v after it is back all replicas and Envoys have the same", time.Since(back).Round(time.Millisecond))
}

// servedBy returns the names of the Envoys that are connected to replicas, by the word of these.
func (w *several) servedBy(replicas ...*replica) []string {
	w.t.Helper()
	var names []string
	for _, r := range replicas {
		all, err := r.client().Nodes(w.t.Context(), "")
		if err != nil {
			w.t.Error(err)
		}
		for _, n := range all {
			if n.Replica == r.name && n.Disconnected.IsZero() && !slices.Contains(names, n.Name) {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// way carries connections from an address of the test to a server, unless it is cut.
type way struct {
	address string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// newWay opens a way, which ends with the test.
func newWay(t *testing.T, host, network, target string) *way {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{address: l.Addr().String()}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := new(net.Dialer).DialContext(t.Context(), network, target)
			if err != nil || !w.takes(from, to) {
				_ = from.Close()
				continue
			}
			tasks.Go(func() { carry(from, to) })
			tasks.Go(func() { carry(to, from) })
		}
	})
	t.Cleanup(func() {
		w.set(true)
		_ = l.Close()
		tasks.Wait()
	})
	return w
}

// takes keeps both ends of a connection. false: the way is cut.
func (w *way) takes(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		for _, c := range ends {
			_ = c.Close()
		}
		return false
	}
	w.conns = append(w.conns, ends...)
	return true
}

// set cuts the way, or mends it.
func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, c := range w.conns {
			_ = c.Close()
		}
		w.conns = nil
	}
}

// carry carries what one end sends to the other, until one of them ends.
func carry(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = from.Close()
	_ = to.Close()
}
