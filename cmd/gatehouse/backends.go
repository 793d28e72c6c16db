package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/echo"
)

// useBackends runs an echo backend at every loopback endpoint where nobody listens, and ends those that are not named any
// more.
func (t *trial) useBackends(ctx context.Context, r *gateway.Revision) {
	named := map[string]bool{}
	for _, u := range r.Upstreams {
		for _, e := range u.Endpoints {
			named[e.Address] = true
			if t.backends[e.Address] == nil && isLoopback(e.Address) {
				t.backend(ctx, u.Name, e.Address)
			}
		}
	}
	for address, b := range t.backends {
		if !named[address] {
			b.stop()
			delete(t.backends, address)
		}
	}
}

// backend runs one echo backend, unless somebody listens there already.
func (t *trial) backend(ctx context.Context, upstream, address string) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return // A real backend, then.
	}
	handler, err := echo.New(echo.Settings{Name: upstream + " " + address})
	if err != nil {
		_ = l.Close() // Nobody has connected.
		t.log.Error("no echo backend", "address", address, "error", err)
		return
	}
	fmt.Fprintf(t.options.env.stderr, "nobody listens on %s: an echo backend does now, for upstream %s\n", address, upstream)
	within, cancel := context.WithCancel(ctx)
	b := &running{cancel: cancel}
	t.backends[address] = b
	b.done.Go(func() {
		if err := echo.Serve(within, l, handler, t.log); err != nil {
			t.log.Warn("an echo backend ended", "address", address, "error", err)
		}
	})
}

func isLoopback(address string) bool {
	ap, err := netip.ParseAddrPort(address)
	return err == nil && ap.Addr().IsLoopback()
}
