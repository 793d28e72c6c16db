package needs_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestPort holds that a held port is given to nobody who asks for any, and to whoever names it.
func TestPort(t *testing.T) {
	t.Parallel()
	held := map[int]bool{}
	for range 200 {
		port := needs.Port(t)
		if held[port] {
			t.Fatalf("port %d is held twice", port)
		}
		held[port] = true
	}
	var config net.ListenConfig
	for range 2000 {
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if held[port] {
			t.Fatalf("port %d is held, and was given away", port)
		}
	}
	l, err := config.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", needs.Port(t)))
	if err != nil {
		t.Fatalf("who names a held port does not get it: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
