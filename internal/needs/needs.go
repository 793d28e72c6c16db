// Package needs gives tests the real parts they cannot do without: an Envoy, a program, a place for sockets.
//
// In: a test. Out: the part, or the end of the test: skipped on a developer's machine that lacks the part, failed where
// the environment variable CI is set, because a suite that silently tests less is worse than one that fails.
package needs

import (
	"os"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/program"
)

// Envoy returns the path of the Envoy binary: GATEHOUSE_ENVOY, the module's .tools folder, or the PATH.
func Envoy(t testing.TB) string {
	t.Helper()
	return Binary(t, "envoy")
}

// Binary returns the path of a program: GATEHOUSE_NAME (upper case, dashes become underscores), the module's .tools
// folder, or the PATH.
func Binary(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("needs %s: read the working directory: %v", name, err)
	}
	variable := "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	path, err := program.Find(name, variable, os.LookupEnv, dir)
	if err != nil {
		missing(t, name, err)
	}
	return path
}

// SocketDir returns a directory for Unix sockets that goes away with the test. Its path is short whatever the test is
// called, because the kernel takes no path of a socket beyond about a hundred bytes.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh") // t.TempDir repeats the name of the test, which may be long
	if err != nil {
		t.Fatalf("make a directory for sockets: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// missing ends the test: failed in CI, skipped elsewhere.
func missing(t testing.TB, name string, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("NEEDS %s, and CI is set: %v", name, err)
	}
	t.Skipf("SKIPPED, NEEDS %s: %v", name, err)
}
