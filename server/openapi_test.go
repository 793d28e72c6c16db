package server_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// schemathesisLimit bounds a run, which takes tens of seconds.
const schemathesisLimit = 3 * time.Minute

const pushedDocument = `
schema: 1
kind: Upstream
name: shop
endpoints: pushed
`

// TestSchemathesis sends what the API's own document allows, and what it forbids, to a real daemon: every answer must be one that
// the document tells of. The stream of events does not end, and is left out; it has tests of its own.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	program := needs.Binary(t, "schemathesis")
	dir := t.TempDir()
	write(t, dir, "gateway.yaml", gatewayDocument)
	write(t, dir, "shop.yaml", pushedDocument)
	s, token := overTCP(t, server.Options{
		Config: dir, Remote: server.Remote{Nodes: "127.0.0.1:0", Join: "127.0.0.1:0"},
	})
	if err := as(t, s, token).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := as(t, s, token).CreateAccess(t.Context(), admin.AccessGrant{Name: "one", Role: admin.Viewer}); err != nil {
		t.Fatal(err)
	}
	if _, err := as(t, s, token).CreateApplication(t.Context(), admin.ApplicationGrant{ID: "till"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), schemathesisLimit)
	defer cancel()
	settings, err := filepath.Abs("testdata/schemathesis.toml")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, program, "--config-file", settings, "run", "http://"+s.Addrs().Admin+"/openapi.json",
		"--header", "Authorization: Bearer "+token, "--checks", "all", "--exclude-operation-id", "watchEvents", "--max-examples", "10",
		"--seed", "1", "--no-color", "--request-timeout", "20", "--continue-on-failure",
	)
	c.Dir = t.TempDir() // It keeps a database of examples where it runs.
	c.Env = append(c.Environ(), "HOME="+filepath.Join(c.Dir, "home"), "PYTHONDONTWRITEBYTECODE=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
