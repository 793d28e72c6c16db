package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// TestPageIsShown holds docs/store.md against the tests and the errors that it names.
func TestPageIsShown(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/store.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "../server/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(code)
		}
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) == 0 {
		t.Error("the page names no test")
	}
	for _, name := range named {
		if !strings.Contains(tests.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("there is no test %s", name[1])
		}
	}
	for _, err := range []error{
		store.ErrAway, store.ErrCorrupt, store.ErrNewer, store.ErrForeign, store.ErrReadOnly, store.ErrFull, store.ErrGone, store.ErrBusy, store.ErrThere, store.ErrSealed,
	} {
		if !strings.Contains(string(page), "\n| `"+err.Error()+"` |") {
			t.Errorf("the page does not say what %q means", err)
		}
	}
}

// TestPostgresDurable uses a database that is set up to confirm what is not on its disk yet.
func TestPostgresDurable(t *testing.T) {
	t.Parallel()
	server := cluster.For(t)
	url := server.Database()
	server.SQL("postgres", "ALTER DATABASE "+bankOf(url)+" SET synchronous_commit = off")
	s := open(t, at(url))
	if got, err := s.Names(t.Context(), "SELECT current_setting('synchronous_commit')"); err != nil || len(got) != 1 || got[0] != "on" {
		t.Errorf("synchronous_commit is %v, %v", got, err)
	}
}
