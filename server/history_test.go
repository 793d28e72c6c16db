package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/store"
)

const bankDocument = `
schema: 1
kind: Upstream
name: bank
endpoints: [{address: "127.0.0.1:9001"}]
---
kind: API
name: bank
version: v1
expose: [{gateway: edge, base: /bank}]
authenticate: none
to: bank
operations: [{id: get, path: /accounts}]
`

// entryOf returns which history entry is in use.
func entryOf(t *testing.T, c *admin.Client) int64 {
	t.Helper()
	r, err := c.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Entry
}

// routeOf returns which route a path takes; "" for none.
func routeOf(t *testing.T, c *admin.Client, path string) string {
	t.Helper()
	a, err := c.Explain(t.Context(), admin.Query{Method: http.MethodGet, URL: path})
	if err != nil {
		t.Fatal(err)
	}
	return a.Action + " " + a.Route
}

// TestHistoryGrowsByChanges makes an entry of each change, of the same documents none, also over a restart.
func TestHistoryGrowsByChanges(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	s, err := server.New(server.Options{State: state, Config: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := client(t, s)
	for range 3 {
		if err := s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := entryOf(t, c); got != 1 {
		t.Errorf("after loading the same again entry %d is in use", got)
	}
	write(t, dir, "bank.yaml", bankDocument)
	eventually(t, "the change is in use", func() bool { return entryOf(t, c) == 2 })
	stop(t, s)

	again := start(t, server.Options{State: state, Config: dir})
	if got := entryOf(t, client(t, again)); got != 2 {
		t.Errorf("after a restart entry %d is in use", got)
	}
	if err := os.Remove(filepath.Join(dir, "bank.yaml")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what was there before is a new entry", func() bool { return entryOf(t, client(t, again)) == 3 })
}

// TestChangeIsTakenUpWhenTheStoreCanBeWritten changes the directory while somebody else holds the store.
func TestChangeIsTakenUpWhenTheStoreCanBeWritten(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	failed := make(chan struct{}, 1)
	log := slog.New(slog.NewTextHandler(told(func(line string) {
		if strings.Contains(line, "it is tried again") && len(failed) == 0 {
			failed <- struct{}{}
		}
	}), nil))
	s := start(t, server.Options{State: state, Config: dir, Logger: log})
	c := client(t, s)
	other := opened(t, state)
	err := other.Together(t.Context(), func(context.Context, *store.Store) error {
		write(t, dir, "bank.yaml", bankDocument)
		eventually(t, "the failure is logged", func() bool { return len(failed) > 0 })
		return nil
	})
	if err := errors.Join(err, other.Close()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the change is in use", func() bool { return entryOf(t, c) == 2 })
}

// told is called with each line of a log; a log writes one at a time.
type told func(line string)

func (f told) Write(line []byte) (int, error) {
	f(string(line))
	return len(line), nil
}

func opened(t *testing.T, state string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: state})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLastGoodVersionOutlivesTheDaemon quarantines an API, restarts twice, and finds its last good version each time.
func TestLastGoodVersionOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	write(t, dir, "bank.yaml", bankDocument)
	for i, change := range []string{"", "to: nowhere", "to: nowhere # as before", ""} {
		s, err := server.New(server.Options{State: state, Config: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := client(t, s)
		if got := routeOf(t, c, "/bank/accounts"); got != "forward bank/v1/get" {
			t.Errorf("start %d: %s", i, got)
		}
		if change != "" {
			before := entryOf(t, c)
			write(t, dir, "bank.yaml", strings.Replace(bankDocument, "to: bank", change, 1))
			eventually(t, "the change is in use", func() bool { return entryOf(t, c) > before })
		}
		r, err := c.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if quarantined := i > 0; quarantined != (len(r.Substitutions) == 1 && r.Substitutions[0].With == "last good version") {
			t.Errorf("start %d: quarantined %+v", i, r.Substitutions)
		}
		if got := routeOf(t, c, "/bank/accounts"); got != "forward bank/v1/get" {
			t.Errorf("start %d, after the change: %s", i, got)
		}
		stop(t, s)
	}
}

// TestFaultyDirectoryAtStart serves what was served before, and says what is wrong.
func TestFaultyDirectoryAtStart(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	write(t, dir, "bank.yaml", bankDocument)
	first, err := server.New(server.Options{State: state, Config: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop(t, first)
	write(t, dir, "gateway.yaml", "schema: 1\nkind: Gateway\n")
	c := client(t, start(t, server.Options{State: state, Config: dir}))
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	r, err := c.Revision(t.Context())
	if err != nil || r.Entry != 1 || len(r.Faults) == 0 {
		t.Errorf("revision %+v, %v", r, err)
	}
}

// TestGuard holds what takes much away, and nothing else.
func TestGuard(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after int
		removal       float64
		held          bool
	}{
		"nine of nine":                {9, 0, 0, false},
		"ten of nineteen":             {19, 9, 0, true},
		"ten of twenty":               {20, 10, 0, false},
		"eleven of twenty":            {20, 9, 0, true},
		"eleven of twenty, lenient":   {20, 9, 0.6, false},
		"all of twenty, switched off": {20, 0, -1, false},
		"more":                        {20, 60, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "gateway.yaml", gatewayDocument)
			write(t, dir, "routes.yaml", routesDocument(tt.before))
			s := start(t, server.Options{State: needs.SocketDir(t), Config: dir, Guard: server.Guard{Removal: tt.removal}})
			write(t, dir, "routes.yaml", routesDocument(tt.after))
			if err := s.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			found, err := client(t, s).Rollouts(t.Context())
			if err != nil || (len(found.Held) == 1) != tt.held {
				t.Errorf("held: %+v, %v", found.Held, err)
			}
		})
	}
}

// routesDocument has so many routes, all to one upstream.
func routesDocument(count int) string {
	text := "schema: 1\nkind: Upstream\nname: web\nendpoints: [{address: \"127.0.0.1:9001\"}]\n"
	for i := range count {
		text += fmt.Sprintf("---\nkind: Route\nname: r%d\nexpose: {gateway: edge}\nmatch: {path: /r%d}\nauthenticate: none\nto: web\n", i, i)
	}
	return text
}

// TestKilledBetweenEntryAndRollout leaves behind what a process does that is killed after it has recorded a change and before its
// rollout has begun: the next process begins it.
func TestKilledBetweenEntryAndRollout(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	s, err := server.New(server.Options{State: state, Config: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop(t, s)

	write(t, dir, "bank.yaml", bankDocument)
	docs, faults := config.Load(dir, config.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	rev, _ := gateway.Assemble(docs, nil)
	kept, err := store.Open(t.Context(), store.Options{Dir: state})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.History.Add(t.Context(), store.Entry{Content: rev.ID, Parent: 1, State: "rolling"}, docs.Files); err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}

	c := client(t, start(t, server.Options{State: state, Config: dir}))
	if entry, route := entryOf(t, c), routeOf(t, c, "/bank/accounts"); entry != 2 || route != "forward bank/v1/get" {
		t.Errorf("entry %d is in use, and the path takes %q", entry, route)
	}
}
