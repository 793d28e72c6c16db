package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// oneLeads watches that never two of some servers lead at once, until it is stopped.
func oneLeads(t *testing.T, all []*server.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			leading := 0
			for _, s := range all {
				if s.Leads() {
					leading++
				}
			}
			if leading > 1 {
				t.Errorf("%d replicas lead at once", leading)
				return
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}

// TestLeaderIsCutOff cuts the leader off from the store: it stops to lead before another begins, and serves on. What changes
// meanwhile it takes over when it is back.
func TestLeaderIsCutOff(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, nil)
	r.serving(1)
	old, _ := r.leader()
	node := connect(t, r.all[old], "edge-old")
	eventually(t, "the node has its configuration", func() bool { return len(node.holds()) > 3 })
	stop := oneLeads(t, r.all)
	defer stop()

	cut := time.Now()
	r.ways[old].set(true)
	next, _ := r.leader(r.all[old])
	t.Logf("another leads after %s, with a lease of %s", time.Since(cut), lease)
	if took := time.Since(cut); took > 3*lease {
		t.Errorf("another leads after %s, with a lease of %s", took, lease)
	}
	if r.all[old].Leads() || r.all[old].Ready() != nil {
		t.Errorf("cut off, it leads: %t; it is ready: %v", r.all[old].Leads(), r.all[old].Ready())
	}
	r.write("more.yaml", strings.ReplaceAll(bankDocument, "bank", "more"))
	c := client(t, r.all[next])
	eventually(t, "the new leader serves the change", func() bool { return entryOf(t, c) == 2 })
	if got := entryOf(t, client(t, r.all[old])); got != 1 {
		t.Errorf("cut off, it serves entry %d", got)
	}
	if _, err := client(t, r.all[old]).ChangeEndpoints(t.Context(), "pushed", admin.EndpointChange{
		Add: []admin.Endpoint{{Address: "10.0.0.1:80", Weight: 1}},
	}); err == nil {
		t.Error("cut off, it takes endpoints")
	}

	r.ways[old].set(false)
	r.serving(2)
	eventually(t, "its node has the change", func() bool { return strings.Contains(strings.Join(names(node.holds()), " "), "more") })
}

// TestStoreRestarts stops PostgreSQL and starts it again: nobody stops to serve, what would change something is refused, and all
// goes on by itself.
func TestStoreRestarts(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2, nil)
	r.serving(1)
	r.leader()
	var nodes []*xdsNode
	for i, s := range r.all {
		nodes = append(nodes, connect(t, s, "edge-"+r.names[i]))
	}
	eventually(t, "the nodes have their configuration", func() bool { return len(nodes[0].holds()) > 3 && len(nodes[1].holds()) > 3 })
	stop := oneLeads(t, r.all)
	defer stop()

	r.database.Stop()
	eventually(t, "nobody leads", func() bool { return !r.all[0].Leads() && !r.all[1].Leads() })
	for i, s := range r.all {
		if err := s.Ready(); err != nil {
			t.Errorf("without the store %s is not ready: %v", r.names[i], err)
		}
		c := client(t, s)
		if all, err := c.Nodes(t.Context(), ""); err != nil || len(all) == 0 {
			t.Errorf("without the store %s knows %d nodes, %v", r.names[i], len(all), err)
		}
		_, err := c.Apply(t.Context(), proposal("team", "more"))
		if !errors.Is(err, admin.ErrUnable) {
			t.Errorf("without the store %s answers an apply with %v", r.names[i], err)
		}
	}
	late := connect(t, r.all[0], "edge-late")
	eventually(t, "a node that comes meanwhile is served", func() bool { return len(late.holds()) > 3 })

	r.database.Start()
	r.leader()
	eventually(t, "changes are taken again", func() bool {
		_, err := client(t, r.all[1]).Apply(t.Context(), proposal("team", "more"))
		return err == nil
	})
	r.serving(2)
	for _, n := range append(nodes, late) {
		eventually(t, "the nodes have the change", func() bool { return strings.Contains(strings.Join(names(n.holds()), " "), "more") })
	}
}

// proposal is a source with one API.
func proposal(source, api string) admin.Proposal {
	return admin.Proposal{Source: source, Files: map[string][]byte{"api.yaml": []byte(strings.ReplaceAll(bankDocument, "bank", api))}}
}

// TestAppliesAtOnce applies at all replicas at once: nothing is lost, there is one history, and all serve its end.
func TestAppliesAtOnce(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, nil)
	r.serving(1)
	const each = 3
	var group sync.WaitGroup
	for i, s := range r.all {
		c := client(t, s)
		group.Go(func() {
			for k := range each {
				name := fmt.Sprintf("%s%d", r.names[i], k)
				for {
					applied, err := c.Apply(t.Context(), proposal("source-"+name, name))
					if err == nil && applied.Made {
						break
					}
					if !errors.Is(err, admin.ErrConflict) {
						t.Errorf("apply %s: %v", name, err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	last := int64(1 + 3*each)
	r.serving(last)
	history, err := client(t, r.all[0]).History(t.Context(), 0, 100)
	if err != nil || len(history) != int(last) {
		t.Fatalf("%d entries, %v", len(history), err)
	}
	for i := range 3 {
		for k := range each {
			if route := routeOf(t, client(t, r.all[(i+1)%3]), fmt.Sprintf("/%s%d/accounts", r.names[i], k)); !strings.Contains(route, r.names[i]) {
				t.Errorf("%s%d: %q", r.names[i], k, route)
			}
		}
	}
}

// TestRollbackAtAFollower rolls back at one replica while another moves a rollout: the rollback supersedes it everywhere.
func TestRollbackAtAFollower(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, slowly)
	r.serving(1)
	_, follower := r.leader()
	var nodes []*xdsNode
	for i, s := range r.all {
		nodes = append(nodes, connect(t, s, "edge-"+r.names[i]))
	}
	r.known(3)
	c := client(t, r.all[follower])
	if _, err := c.Apply(t.Context(), proposal("team", "more")); err != nil {
		t.Fatal(err)
	}
	got := func() (count int) {
		for _, n := range nodes {
			if strings.Contains(strings.Join(names(n.holds()), " "), "more") {
				count++
			}
		}
		return count
	}
	eventually(t, "one node has the change", func() bool { return got() == 1 })
	rolled, err := c.Rollback(t.Context(), admin.Rollback{Entry: 1})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "no node has the change", func() bool { return got() == 0 })
	r.serving(rolled.Entry)
	for i, s := range r.all {
		c := client(t, s)
		eventually(t, r.names[i]+" knows how it ended", func() bool {
			history, err := c.History(t.Context(), 0, 10)
			if err != nil {
				return false
			}
			var states []string
			for _, e := range history {
				states = append(states, e.State)
			}
			return slices.Equal(states, []string{"live", "superseded", "live"})
		})
	}
}

// TestLeaderDiesInARollout kills the leader while a rollout waits: the next one takes it on from there.
func TestLeaderDiesInARollout(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, func(o *server.Options) { o.Rollout = rollout.Strategy{Soak: 3 * lease} })
	r.serving(1)
	leader, follower := r.leader()
	for i, s := range r.all {
		connect(t, s, "edge-"+r.names[i])
	}
	r.known(3)
	applied, err := client(t, r.all[follower]).Apply(t.Context(), proposal("team", "more"))
	if err != nil || applied.State != "rolling" {
		t.Fatalf("%+v, %v", applied, err)
	}
	r.ways[leader].set(true)
	next, _ := r.leader(r.all[leader])
	c := client(t, r.all[next])
	eventually(t, "the next leader ends the rollout, of nodes at the other one too", func() bool {
		e, err := c.Entry(t.Context(), applied.Entry)
		return err == nil && e.State == "live"
	})
}

// known waits until every replica knows a number of nodes.
func (r *replicas) known(count int) {
	r.t.Helper()
	eventually(r.t, "every replica knows all nodes", func() bool {
		for _, s := range r.all {
			if all, err := client(r.t, s).Nodes(r.t.Context(), ""); err != nil || len(all) != count {
				return false
			}
		}
		return true
	})
}

// TestRefusalElsewhere has nodes at all replicas refuse a change: the leader puts them back, whoever is asked tells why, and a node
// at another replica is told to try again.
func TestRefusalElsewhere(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2, func(o *server.Options) { o.Rollout = rollout.Strategy{Soak: time.Hour} })
	r.serving(1)
	leader, follower := r.leader()
	node := connect(t, r.all[follower], "edge-1")
	r.known(1)
	c := client(t, r.all[leader])
	applied, err := c.Apply(t.Context(), proposal("team", refusedName))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.all {
		c := client(t, s)
		eventually(t, "the change is refused", func() bool {
			e, err := c.Entry(t.Context(), applied.Entry)
			return err == nil && e.State == "refused" && strings.Contains(e.Reason, "no "+refusedName)
		})
	}
	r.serving(1)
	eventually(t, "the node is shown with its refusal at the other replica", func() bool {
		all, err := c.Nodes(t.Context(), "")
		return err == nil && len(all) == 1 && all[0].Replica == r.names[follower] && all[0].LastRefusal != nil
	})
	if err := c.Confirm(t.Context(), applied.Entry); err != nil {
		t.Fatal(err)
	}
	before := node.offered()
	if err := c.Retry(t.Context(), "edge", "edge-1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is offered the change again", func() bool { return node.offered() > before })
}
