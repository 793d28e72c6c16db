package server_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// lease is for how long the leader of these tests may be silent.
const lease = time.Second

const pushedUpstream = `
schema: 1
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
operations: [{id: get, path: /x}]
`

// replicas are several servers over one store, each with a directory of its own.
type replicas struct {
	t        *testing.T
	database *needs.PostgresServer
	url      string
	ways     []*way
	all      []*server.Server
	names    []string
	dirs     []string
}

// newReplicas starts some, named a, b, c. The first one's directory has a Gateway.
func newReplicas(t *testing.T, count int, change func(*server.Options)) *replicas {
	t.Helper()
	r := &replicas{t: t, database: needs.Postgres(t)}
	r.url = r.database.Database()
	for i := range count {
		r.start(string(rune('a'+i)), change)
	}
	return r
}

// start starts one more.
func (r *replicas) start(name string, change func(*server.Options)) *server.Server {
	r.t.Helper()
	dir := r.t.TempDir()
	write(r.t, dir, "gateway.yaml", gatewayDocument)
	write(r.t, dir, "bank.yaml", bankDocument)
	write(r.t, dir, "pushed.yaml", pushedUpstream)
	w := newWay(r.t, r.url)
	o := server.Options{Store: store.Options{URL: w.url}, State: needs.SocketDir(r.t), Config: dir, Replica: name, Lease: lease, Grace: lease / 10, Logger: r.log(name)}
	if change != nil {
		change(&o)
	}
	s := start(r.t, o)
	r.all, r.names, r.dirs, r.ways = append(r.all, s), append(r.names, name), append(r.dirs, dir), append(r.ways, w)
	return s
}

func (r *replicas) log(name string) *slog.Logger {
	if os.Getenv("GATEHOUSE_TEST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(told(func(line string) { r.t.Logf("%s %s", name, strings.TrimSpace(line)) }), nil))
}

// leader waits until one leads, and returns it and another one.
func (r *replicas) leader(but ...*server.Server) (leader, follower int) {
	r.t.Helper()
	leader, follower = -1, -1
	eventually(r.t, "one leads", func() bool {
		leader, follower = -1, -1
		for i, s := range r.all {
			switch {
			case len(but) > 0 && but[0] == s:
			case s.Leads():
				leader = i
			default:
				follower = i
			}
		}
		return leader >= 0
	})
	return leader, follower
}

// write writes a file into the directories of all: whoever leads takes it in, once.
func (r *replicas) write(name, text string) {
	r.t.Helper()
	for _, dir := range r.dirs {
		write(r.t, dir, name, text)
	}
}

// serving waits until all serve an entry, and nothing newer.
func (r *replicas) serving(entry int64) {
	r.t.Helper()
	for i, s := range r.all {
		c := client(r.t, s)
		eventually(r.t, fmt.Sprintf("%s serves entry %d", r.names[i], entry), func() bool {
			return s.Ready() == nil && entryOf(r.t, c) == entry
		})
	}
}

// TestReplicasServeTheSame has three replicas with a node each: all nodes get the same, from what one of the replicas loaded, and
// every replica knows all nodes.
func TestReplicasServeTheSame(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, nil)
	r.serving(1)
	var nodes []*xdsNode
	for i, s := range r.all {
		nodes = append(nodes, connect(t, s, "edge-"+r.names[i]))
	}
	same := func(what, resource string) {
		t.Helper()
		eventually(t, what, func() bool {
			first := nodes[0].holds()
			if !strings.Contains(strings.Join(names(first), " "), resource) {
				return false
			}
			return cmp.Equal(first, nodes[1].holds()) && cmp.Equal(first, nodes[2].holds())
		})
	}
	same("all nodes have the same", "Listener")
	leader, follower := r.leader()
	r.write("more.yaml", strings.ReplaceAll(bankDocument, "bank", "more"))
	r.serving(2)
	same("all nodes have what changed", "more")
	for i, s := range r.all {
		c := client(t, s)
		eventually(t, r.names[i]+" knows all nodes and replicas", func() bool {
			all, err := c.Nodes(t.Context(), "")
			if err != nil || len(all) != 3 {
				return false
			}
			for k, n := range all {
				if n.Replica != r.names[k] || n.Name != "edge-"+r.names[k] || n.State != admin.Synced || n.AcknowledgedEntry != 2 {
					return false
				}
			}
			peers, err := c.Replicas(t.Context())
			return err == nil && len(peers) == 3 && peers[0].Self && peers[0].Nodes == 1 && peers[0].ID == r.names[i]
		})
	}
	if leader == follower {
		t.Error("all lead")
	}
}

// TestPushesAtAFollower pushes endpoints at a replica that does not lead: nodes of all have them within a second, also where
// several replicas are pushed to at once.
func TestPushesAtAFollower(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, nil)
	r.serving(1)
	_, follower := r.leader()
	var nodes []*xdsNode
	for i, s := range r.all {
		nodes = append(nodes, connect(t, s, "edge-"+r.names[i]))
	}
	eds := func(n *xdsNode) (version string) {
		for name, v := range n.holds() {
			if strings.Contains(name, "ClusterLoadAssignment") && strings.Contains(name, "pushed") {
				version = v
			}
		}
		return version
	}
	eventually(t, "nodes have the cluster", func() bool { return eds(nodes[0]) != "" && eds(nodes[1]) != "" && eds(nodes[2]) != "" })
	before := eds(nodes[0])
	pushed := time.Now()
	if _, err := client(t, r.all[follower]).ChangeEndpoints(t.Context(), "pushed", admin.EndpointChange{
		Add: []admin.Endpoint{{Address: "10.0.0.1:80", Weight: 1}}, Author: "tina",
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all nodes have what was pushed", func() bool {
		v := eds(nodes[0])
		return v != before && v == eds(nodes[1]) && v == eds(nodes[2])
	})
	if took := time.Since(pushed); took > time.Second {
		t.Errorf("what was pushed was live after %s", took)
	} else {
		t.Logf("what was pushed was live after %s", took)
	}
	for k := range 6 {
		_, err := client(t, r.all[k%3]).ChangeEndpoints(t.Context(), "pushed", admin.EndpointChange{
			Add: []admin.Endpoint{{Address: fmt.Sprintf("10.0.1.%d:80", k), Weight: 1}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range r.all {
		c := client(t, s)
		eventually(t, "every replica tells all that was pushed", func() bool {
			sets, err := c.Endpoints(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range sets {
				if set.Upstream == "pushed" {
					return len(set.Endpoints) == 7
				}
			}
			return false
		})
	}
}

// slowly is a strategy whose first wave waits long.
func slowly(o *server.Options) {
	o.Rollout = rollout.Strategy{Waves: []rollout.Wave{{Percent: 1}}, Soak: time.Hour}
}

// TestOrdersAtAFollower aborts a rollout at a replica that does not lead: all nodes have what they had, and there is one history.
func TestOrdersAtAFollower(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, slowly)
	r.serving(1)
	_, follower := r.leader()
	var nodes []*xdsNode
	for i, s := range r.all {
		nodes = append(nodes, connect(t, s, "edge-"+r.names[i]))
	}
	r.known(3)
	r.write("more.yaml", strings.ReplaceAll(bankDocument, "bank", "more"))
	got := func() (count int) {
		for _, n := range nodes {
			if strings.Contains(strings.Join(names(n.holds()), " "), "more") {
				count++
			}
		}
		return count
	}
	eventually(t, "one node has the change", func() bool { return got() == 1 })
	c := client(t, r.all[follower])
	phase := func(c *admin.Client) string {
		d, err := c.Rollouts(t.Context())
		if err != nil || len(d.Rollouts) != 1 {
			return ""
		}
		return d.Rollouts[0].Phase
	}
	eventually(t, "the follower knows of it", func() bool { return phase(c) == "rolling" })
	for _, step := range []struct {
		order admin.Order
		want  string
	}{{admin.Pause, "paused"}, {admin.Resume, "rolling"}, {admin.Abort, "aborted"}} {
		if err := c.Order(t.Context(), step.order, "edge"); err != nil {
			t.Fatalf("%s: %v", step.order, err)
		}
		for i, s := range r.all {
			c := client(t, s)
			eventually(t, r.names[i]+" tells that it is "+step.want, func() bool { return phase(c) == step.want })
		}
	}
	eventually(t, "no node has the change", func() bool { return got() == 0 })
	r.serving(1)
}
