package decisions_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/decisions"
)

// TestFileTurnsOver writes more than fits and finds the newest lines, whole, in as many files as may stay.
func TestFileTurnsOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	f, err := decisions.OpenFile(path, 100, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := fmt.Fprintf(f, "line %04d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var all string
	for _, name := range []string{path + ".2", path + ".1", path} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 100 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		all += string(text)
	}
	if want := lineRange(20, 50); all != want {
		t.Errorf("left is %q, want %q", all, want)
	}
	if _, err := os.Stat(path + ".3"); !os.IsNotExist(err) {
		t.Errorf("more files stay than may: %v", err)
	}
}

func lineRange(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %04d\n", i)
	}
	return b.String()
}

// TestFileWithHalfALine goes on after what a crash left.
func TestFileWithHalfALine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200_000)
	for name, c := range map[string]struct{ before, after string }{
		"none":   {"", "new\n"},
		"whole":  {"one\ntwo\n", "one\ntwo\nnew\n"},
		"half":   {"one\ntw", "one\nnew\n"},
		"only":   {"on", "new\n"},
		"long":   {"one\n" + long, "one\nnew\n"},
		"longer": {long + "\n" + long, long + "\nnew\n"},
	} {
		path := filepath.Join(t.TempDir(), "decisions.jsonl")
		if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := decisions.OpenFile(path, 1<<20, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("new\n")); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || string(text) != c.after {
			t.Errorf("%s: %d bytes, want %d; %v", name, len(text), len(c.after), err)
		}
	}
}
