package server

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestPeers lets one user of a socket in and keeps another out.
func TestPeers(t *testing.T) {
	t.Parallel()
	own := uint32(os.Getuid())
	for _, allowed := range []bool{true, false} {
		path := filepath.Join(needs.SocketDir(t), "s")
		inner, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		var refused uint32
		l := &guarded{
			Listener: inner, allowed: func(uid uint32) bool { return uid == own && allowed },
			refused: func(uid uint32) { refused = uid },
		}
		ended := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, err = c.Write([]byte("in"))
				err = errors.Join(err, c.Close())
			}
			ended <- err
		}()
		c, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(c)
		if allowed != (string(text) == "in") {
			t.Errorf("allowed %v: read %q, %v", allowed, text, err)
		}
		if err := errors.Join(c.Close(), inner.Close()); err != nil {
			t.Error(err)
		}
		if err := <-ended; allowed != (err == nil) {
			t.Errorf("allowed %v: accept ended with %v", allowed, err)
		}
		if !allowed && refused != own {
			t.Errorf("refused user %d, want %d", refused, own)
		}
	}
}

func TestAllowedUsers(t *testing.T) {
	t.Parallel()
	s := &Server{options: Options{SocketUIDs: []uint32{4711}}}
	for uid, want := range map[uint32]bool{0: true, uint32(os.Getuid()): true, 4711: true, 4712: false} {
		if got := s.allowed(uid); got != want {
			t.Errorf("user %d: allowed is %v, want %v", uid, got, want)
		}
	}
}
