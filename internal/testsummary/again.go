package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Again lists the tests at the top that failed or did not end, a line for each package: its path, and a pattern for -run that
// matches them and no others. It lists none where something failed that no test stands for, such as a build, or where more than
// most of them failed: then it was not the clock of a busy machine.
func (s *Summary) Again(most int) []string {
	var lines []string
	sum := 0
	for _, pkg := range slices.Sorted(maps.Keys(s.packages)) {
		g := s.packages[pkg]
		failed := g.failedAtTop()
		if len(failed) == 0 && g.counts().Failed > 0 {
			return nil
		}
		if len(failed) > 0 {
			lines = append(lines, fmt.Sprintf("%s ^(%s)$", pkg, strings.Join(failed, "|")))
		}
		sum += len(failed)
	}
	if sum > most {
		return nil
	}
	return lines
}

// failedAtTop returns the names of the tests that failed, or below which one did, in their order.
func (g *group) failedAtTop() []string {
	var names []string
	for name, t := range g.tests {
		if name != "" && !strings.Contains(name, "/") && (!t.ended() || g.failedBelow(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Forgive takes what passed in a second run for passed: a test that failed among others and passes alone. The report names it.
func (s *Summary) Forgive(second *Summary) {
	for pkg, g := range s.packages {
		alone := second.packages[pkg]
		if alone == nil {
			continue
		}
		for _, top := range g.failedAtTop() {
			if t := alone.tests[top]; t == nil || t.end != "pass" || alone.failedBelow(top) {
				continue
			}
			g.tests[top].again = true
			for name, t := range g.tests {
				if (name == top || below(name, top)) && !t.ended() {
					t.end = "pass"
				}
			}
		}
		if alone.tests[""].end == "pass" && !g.failedBelow("") {
			g.tests[""].end = "pass"
		}
	}
}

// reportAgain names each test that passed only when it was alone.
func (s *Summary) reportAgain(w io.Writer) {
	for _, pkg := range slices.Sorted(maps.Keys(s.packages)) {
		g := s.packages[pkg]
		for _, name := range slices.Sorted(maps.Keys(g.tests)) {
			if g.tests[name].again {
				fmt.Fprintf(w, "failed among others, passed alone: %s %s\n", pkg, name)
			}
		}
	}
}
