package needs

import (
	"os"
	"testing"
)

// Terminal returns a pseudo terminal, as a person has one. It is closed with the test.
func Terminal(t testing.TB) *os.File {
	t.Helper()
	file, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		missing(t, "a pseudo terminal", err)
	}
	t.Cleanup(func() { _ = file.Close() }) // Nothing was written.
	return file
}
