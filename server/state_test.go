package server_test

import (
	"os"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// started starts a server and stops it again; it returns what Start said.
func started(t *testing.T, o server.Options) error {
	t.Helper()
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		return err
	}
	return s.Stop(t.Context())
}

// TestStateDirectoryIsOurs starts in a directory that everybody may write to.
func TestStateDirectoryIsOurs(t *testing.T) {
	t.Parallel()
	dir := needs.SocketDir(t)
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // This is the point.
		t.Fatal(err)
	}
	if err := started(t, server.Options{State: dir}); err == nil || !strings.Contains(err.Error(), "everybody may write") {
		t.Errorf("a directory open to all: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // This is the point.
		t.Fatal(err)
	}
	if err := started(t, server.Options{State: dir}); err != nil {
		t.Errorf("a directory that others may read: %v", err)
	}
}
