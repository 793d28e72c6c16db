//go:build e2e

package e2e_test

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// cutter stands before a socket and ends a connection, when asked to, in place of the next thing that is answered on it.
type cutter struct {
	armed, cuts atomic.Int64
}

// cutBefore returns the address of a cutter before another one.
func cutBefore(t *testing.T, address string) (*cutter, string) {
	t.Helper()
	path := filepath.Join(needs.SocketDir(t), "cut.sock")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { c.relay(near, strings.TrimPrefix(address, "unix:")) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		group.Wait()
	})
	return c, "unix:" + path
}

// relay carries both directions until one ends.
func (c *cutter) relay(near net.Conn, path string) {
	defer near.Close()
	far, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	})
	answer := make([]byte, 64<<10)
	for {
		n, err := far.Read(answer)
		if n > 0 && c.armed.CompareAndSwap(1, 0) {
			c.cuts.Add(1)
			break
		}
		if _, failed := near.Write(answer[:n]); err != nil || failed != nil {
			break
		}
	}
	_ = errors.Join(near.Close(), far.Close())
	up.Wait()
}

// TestCallsAreTriedAgain ends the connection of a call before its answer arrives: the call is made once more, and a limit
// counts the request once.
func TestCallsAreTriedAgain(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	w := newWorld(t, map[string]string{"bank.yaml": outage}, map[string]string{"FIRST": first})
	a := w.server.Addrs()
	checks, checkAddress := cutBefore(t, a.Authz)
	limits, limitAddress := cutBefore(t, a.RateLimit)
	w.startEnvoyWith("edge", "edge-1", envoy.Services{
		XDS: []string{a.XDS}, Authz: []string{checkAddress}, RateLimit: []string{limitAddress}, AccessLog: []string{a.AccessLog},
	})
	for range 20 {
		for path, c := range map[string]*cutter{"/decided": checks, "/other/decided": checks, "/other/limited": limits} {
			before := c.cuts.Load()
			w.get(w.url("PORT", path)) // The connection is there.
			c.armed.Store(1)
			if got := w.get(w.url("PORT", path)); got.status != 200 {
				t.Errorf("%s answers %d: %s", path, got.status, got.body)
			}
			if c.cuts.Load() != before+1 {
				t.Errorf("%s: no connection was cut", path)
			}
		}
	}
	// Twice 20 requests of the limit's 1,000, of which 20 needed two attempts, and this one.
	if got := left(w.get(w.url("PORT", "/other/limited"))); got != strconv.Itoa(1000-41) {
		t.Errorf("%s remain of the limit, want %d", got, 1000-41)
	}
}
