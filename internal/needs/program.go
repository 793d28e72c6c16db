package needs

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// programBuilds bounds how long a program may take to build, its libraries fetched.
const programBuilds = 10 * time.Minute

// Program builds a program of a module of its own, in a folder below the test's, and returns its path.
func Program(t testing.TB, module, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(module))
	ctx, cancel := context.WithTimeout(t.Context(), programBuilds)
	defer cancel()
	build := exec.CommandContext(ctx, Binary(t, "go"), "build", "-mod=readonly", "-o", path, pkg)
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Logf("%s", out)
		missing(t, "the program "+module+" (its libraries may be out of reach)", err)
	}
	return path
}
