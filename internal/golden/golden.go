// Package golden holds what a test got against a committed file.
//
// In: bytes and the path of a file. Out: a failed test with the difference, or with the flag -update a rewritten file.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update must be registered before the test binary parses its flags, so it cannot live in a function.
var update = flag.Bool("update", false, "rewrite the golden files with what the tests get") //nolint:gochecknoglobals // see above

// Equal fails the test when got differs from the file at path; with -update it writes the file instead.
func Equal(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatalf("make the directory of golden file %s: %v", path, err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatalf("rewrite golden file %s: %v", path, err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file (run with -update to make it): %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs from what the test got (-want +got):\n%s", path, diff)
	}
}
