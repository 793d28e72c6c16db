package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Report writes what failed with all it said, and what was skipped with its reason.
func (s *Summary) Report(w io.Writer) {
	for _, path := range slices.Sorted(maps.Keys(s.builds)) {
		fmt.Fprintf(w, "\n--- BUILD %s\n%s", path, s.builds[path])
	}
	for _, pkg := range slices.Sorted(maps.Keys(s.packages)) {
		g := s.packages[pkg]
		for _, name := range slices.Sorted(maps.Keys(g.tests)) {
			t := g.tests[name]
			// A package repeats what its tests said; it speaks for itself only where none of them failed.
			if t.ended() || (name == "" && g.failedBelow("")) {
				continue
			}
			end := t.end
			if end == "" {
				end = "did not end"
			}
			fmt.Fprintf(w, "\n--- %s %s %s\n%s", strings.ToUpper(end), pkg, name, &t.output)
		}
	}
	s.reportSkipped(w)
	s.reportAgain(w)
}

// reportSkipped names each skipped test with the line that gives the reason.
func (s *Summary) reportSkipped(w io.Writer) {
	for _, pkg := range slices.Sorted(maps.Keys(s.packages)) {
		g := s.packages[pkg]
		for _, name := range slices.Sorted(maps.Keys(g.tests)) {
			if t := g.tests[name]; name != "" && t.end == "skip" {
				fmt.Fprintf(w, "skipped: %s %s: %s\n", pkg, name, reason(t.output.String()))
			}
		}
	}
}

// reason picks from a test's output what t.Skip was given: the last line that is not one of the test runner's own.
func reason(output string) string {
	found := "no reason given"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			found = line
		}
	}
	return found
}
