package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/observed"
)

// TestReloadsAndPushesMeet reloads changing documents while endpoints are pushed: in the end Envoys get the last of both.
func TestReloadsAndPushesMeet(t *testing.T) {
	t.Parallel()
	const rounds = 30
	dir := t.TempDir()
	write := func(timeout int) {
		text := fmt.Sprintf(`schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
---
kind: Upstream
name: payments
endpoints: pushed
connect-timeout: %dms
---
kind: Route
name: payments
expose: [{gateway: edge}]
authenticate: none
to: payments
`, timeout)
		fresh := filepath.Join(dir, ".new")
		if err := errors.Join(os.WriteFile(fresh, []byte(text), 0o600), os.Rename(fresh, filepath.Join(dir, "a.yaml"))); err != nil {
			t.Error(err)
		}
	}
	write(1)
	s, err := New(Options{Config: dir, State: needs.SocketDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	var group sync.WaitGroup
	group.Go(func() {
		for i := range rounds {
			write(i + 2)
			if err := s.Reload(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	group.Go(func() {
		for i := range rounds {
			if _, err := s.observed.Push(t.Context(), "payments", observed.Change{
				All: true, Replace: []gateway.Endpoint{{Address: fmt.Sprintf("10.0.0.1:%d", i+1), Weight: 1}},
			}); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	var port uint32
	var timeout time.Duration
	late := time.After(10 * time.Second)
	for {
		live := s.live.Load().xds.Fleets["edge"]
		port = live.Endpoints[0].Endpoints[0].LbEndpoints[0].GetEndpoint().GetAddress().GetSocketAddress().GetPortValue()
		timeout = live.Clusters[0].ConnectTimeout.AsDuration()
		if port == rounds && timeout == (rounds+1)*time.Millisecond && len(live.Clusters) == 1 {
			return
		}
		select {
		case <-late:
			t.Fatalf("Envoys get port %d and timeout %s, want %d and %s", port, timeout, rounds, (rounds+1)*time.Millisecond)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
