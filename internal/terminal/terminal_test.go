package terminal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestWhatIsNoTerminal tries what a program's streams are in a script or in CI.
func TestWhatIsNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = null.Close() })
	for _, stream := range []any{&bytes.Buffer{}, file, null, nil} {
		if Is(stream) {
			t.Errorf("%T is taken for a terminal", stream)
		}
	}
}

// TestTerminal opens a pseudo terminal, as a person has one.
func TestTerminal(t *testing.T) {
	t.Parallel()
	if !Is(needs.Terminal(t)) {
		t.Error("a pseudo terminal is not taken for a terminal")
	}
}
