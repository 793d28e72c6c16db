package server_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/server"
)

// TestStrandedEnvoysAreLetGo cuts a replica off from the store for longer than its Envoys are to wait: their streams end, so that they find
// another one, and who comes back to it is served.
func TestStrandedEnvoysAreLetGo(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	r := newReplicas(t, 2, func(o *server.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	r.serving(1)
	node := connect(t, r.all[0], "edge-1")
	eventually(t, "the node has its configuration", func() bool { return len(node.holds()) > 3 })
	state := func() admin.State {
		all, err := client(t, r.all[0]).Nodes(t.Context(), "")
		if err != nil || len(all) != 1 {
			t.Fatalf("nodes %+v, %v", all, err)
		}
		return all[0].State
	}
	r.ways[0].set(true)
	eventually(t, "the replica knows that it is cut off", func() bool {
		_, err := client(t, r.all[0]).Apply(t.Context(), proposal("team", "more"))
		return err != nil
	})
	if got := state(); got == admin.Disconnected {
		t.Error("the node is let go at once")
	}
	eventually(t, "the node is let go", func() bool {
		later.Add(int64(time.Second))
		return state() == admin.Disconnected
	})
	if passed := time.Duration(later.Load()); passed < 15*time.Second {
		t.Errorf("the node is let go when hardly %s have passed", passed)
	}
	again := connect(t, r.all[0], "edge-1")
	eventually(t, "the node is served again", func() bool { return len(again.holds()) > 3 })
}
