package server_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// way is how one replica reaches the store. It can be cut, as a network is: connections end, and new ones are not answered.
type way struct {
	url      string
	listener net.Listener
	target   string
	tasks    sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

// newWay opens a way to a database; it closes with the test.
func newWay(t *testing.T, database string) *way {
	t.Helper()
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{listener: l, target: at.Host, conns: map[net.Conn]struct{}{}}
	at.Host = l.Addr().String()
	w.url = at.String()
	w.tasks.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.set(true)
		w.tasks.Wait()
	})
	return w
}

func (w *way) accept() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.tasks.Go(func() { w.carry(from) })
	}
}

// carry carries a connection on until one side ends, or the way is cut.
func (w *way) carry(from net.Conn) {
	if !w.keep(from) {
		return
	}
	defer w.drop(from)
	to, err := new(net.Dialer).Dial("tcp", w.target)
	if err != nil || !w.keep(to) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	_, _ = io.Copy(to, from)
	w.drop(to)
	back.Wait()
}

func (w *way) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = c.Close()
		return false
	}
	w.conns[c] = struct{}{}
	return true
}

func (w *way) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	_ = c.Close()
}

// set cuts the way, or mends it.
func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for c := range w.conns {
			_ = c.Close()
		}
	}
}
