// Package house holds the tests that guard the repository itself: what neither a compiler nor a linter looks at.
//
// In: the files of this checkout. Out: nothing but failures.
package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the top of the checkout, as seen from this package.
const root = "../.."

// file is one text file of the repository.
type file struct {
	path string // Relative to the top, with slashes.
	text string
}

// files returns the text files of the checkout that are meant to be tracked. They are found by walking, not by asking git,
// so that the test's cached result ends when a file changes, comes or goes.
func files(t *testing.T) []file {
	t.Helper()
	ours := []string{".ci", ".devcontainer", ".github"}
	notOurs := []string{"bin", "dist"}
	var found []file
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			hidden := strings.HasPrefix(name, ".") && path != root && !slices.Contains(ours, name)
			if hidden || (filepath.Dir(path) == root && slices.Contains(notOurs, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || name == ".git" || strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".prof") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(text), "\x00") {
			return err
		}
		relative, err := filepath.Rel(root, path)
		found = append(found, file{filepath.ToSlash(relative), string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("found no files")
	}
	return found
}
