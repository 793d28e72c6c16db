package server_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// TestRollback goes back and leaves what is observed: endpoints that were pushed. A directory that did not change since does
// not undo it, be it over a restart; one that changed is taken in.
func TestRollback(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	pushed := strings.Replace(bankDocument, `endpoints: [{address: "127.0.0.1:9001"}]`, "endpoints: pushed", 1)
	write(t, dir, "bank.yaml", pushed)
	s, err := server.New(server.Options{State: state, Config: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := client(t, s)
	if _, err := c.ChangeEndpoints(t.Context(), "bank", admin.EndpointChange{Add: []admin.Endpoint{{Address: "127.0.0.1:9001"}}}); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "bank.yaml", strings.Replace(pushed, "/accounts", "/balances", 1))
	eventually(t, "the change is in use", func() bool { return entryOf(t, c) == 2 })
	scaled, err := c.ChangeEndpoints(t.Context(), "bank", admin.EndpointChange{Add: []admin.Endpoint{{Address: "127.0.0.1:9002"}}})
	if err != nil || len(scaled.Endpoints) != 2 {
		t.Fatalf("%+v, %v", scaled, err)
	}
	dry, err := c.Rollback(t.Context(), admin.Rollback{Entry: 1, DryRun: true})
	if err != nil || dry.Made || entryOf(t, c) != 2 {
		t.Fatalf("dry run %+v, %v", dry, err)
	}
	expect(t, "what it would change", []string{"changed API bank/v1 of "}, objects(dry.Plan.Changes))
	back, err := c.Rollback(t.Context(), admin.Rollback{Entry: 1, Message: "balances are wrong"})
	if err != nil || !back.Made || back.Entry != 3 {
		t.Fatalf("%+v, %v", back, err)
	}
	e, err := c.Entry(t.Context(), 3)
	if err != nil || e.Of != 1 || e.Parent != 2 || e.Message != "balances are wrong" || e.Author == "" {
		t.Errorf("entry %+v, %v", e, err)
	}
	holds := func(what string) {
		t.Helper()
		if got := routeOf(t, c, "/bank/accounts"); got != "forward bank/v1/get" || entryOf(t, c) != 3 {
			t.Errorf("%s entry %d is live, and the path takes %q", what, entryOf(t, c), got)
		}
		sets, err := c.Endpoints(t.Context())
		if err != nil || len(sets) != 1 || len(sets[0].Endpoints) != 2 {
			t.Errorf("%s the endpoints are %+v, %v", what, sets, err)
		}
	}
	holds("after the rollback")
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds("after a reload")
	stop(t, s)
	s = start(t, server.Options{State: state, Config: dir})
	c = client(t, s)
	holds("after a restart")
	if again, err := c.Rollback(t.Context(), admin.Rollback{Entry: 1}); err != nil || again.Made || again.Entry != 3 {
		t.Errorf("back to where it is: %+v, %v", again, err)
	}
	if _, err := c.Rollback(t.Context(), admin.Rollback{Entry: 99}); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("to what is not there: %v", err)
	}
	write(t, dir, "bank.yaml", strings.Replace(pushed, "/accounts", "/cards", 1))
	eventually(t, "the changed directory is in use", func() bool { return entryOf(t, c) == 4 })
	if got := routeOf(t, c, "/bank/cards"); got != "forward bank/v1/get" {
		t.Errorf("the path takes %q", got)
	}
}

// TestHeldDirectoryIsNotForgotten applies a project while a change of the directory waits to be confirmed: it waits again then.
func TestHeldDirectoryIsNotForgotten(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	write(t, dir, "routes.yaml", routesDocument(20))
	c := client(t, start(t, server.Options{State: state, Config: dir}))
	if err := os.Remove(filepath.Join(dir, "routes.yaml")); err != nil {
		t.Fatal(err)
	}
	held := func() int64 {
		found, err := c.Rollouts(t.Context())
		if err != nil || len(found.Held) != 1 {
			return 0
		}
		return found.Held[0].Entry
	}
	eventually(t, "the change is held", func() bool { return held() == 2 })
	a := applied(t, c, "shop", shopFiles("shop"))
	if a.Entry != 3 || routeOf(t, c, "/r7") != "forward route/r7" {
		t.Errorf("%+v, the path takes %q", a, routeOf(t, c, "/r7"))
	}
	eventually(t, "the directory is held again", func() bool { return held() == 4 })
	if err := c.Confirm(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if a, b := routeOf(t, c, "/shop"), routeOf(t, c, "/r7"); a != "forward route/shop" || b == "forward route/r7" {
		t.Errorf("the paths take %q and %q", a, b)
	}
}
