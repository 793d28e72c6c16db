package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json`; `go doc test2json` describes the fields.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// test is what one test or package said and how it ended; the end is empty while it runs.
type test struct {
	end    string
	output strings.Builder
	again  bool // It failed, and passed in a second run.
}

// ended tells whether a test came to a good end.
func (t *test) ended() bool { return t.end == "pass" || t.end == "skip" }

// group is one package: itself under the empty name, and its tests and subtests by their names.
type group struct {
	tests map[string]*test
}

// Summary is what a run of tests came to.
type Summary struct {
	packages map[string]*group
	builds   map[string]*strings.Builder
}

// Counts says how many tests there were of each kind. A test with subtests counts by its subtests.
type Counts struct {
	Passed, Failed, Skipped int
}

// String returns the summary line; skipped tests are named only where there are some.
func (c Counts) String() string {
	line := fmt.Sprintf("%d passed, %d failed", c.Passed, c.Failed)
	if c.Skipped > 0 {
		line += fmt.Sprintf(", %d skipped", c.Skipped)
	}
	return line
}

// Read takes in events until the end, and writes one line to progress for each package that ends. Lines that are no events
// (the toolchain's own messages) go to progress as they are. The error is one of reading.
func Read(events io.Reader, progress io.Writer) (*Summary, error) {
	s := &Summary{packages: map[string]*group{}, builds: map[string]*strings.Builder{}}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.take(line, progress)
		}
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, fmt.Errorf("read events: %w", err)
		}
	}
}

// take records one line.
func (s *Summary) take(line string, progress io.Writer) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(progress, line)
		return
	}
	if e.Action == "build-output" {
		if s.builds[e.ImportPath] == nil {
			s.builds[e.ImportPath] = &strings.Builder{}
		}
		s.builds[e.ImportPath].WriteString(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	t := s.test(e.Package, e.Test)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		// What failed once has failed, also where a later part of the run has it again without the race detector.
		if t.end != "fail" {
			t.end = e.Action
		}
		if e.Test == "" {
			s.progress(progress, e)
		}
	}
}

// test returns the record of a test, made where it is new.
func (s *Summary) test(pkg, name string) *test {
	g := s.packages[pkg]
	if g == nil {
		g = &group{tests: map[string]*test{"": {}}}
		s.packages[pkg] = g
	}
	t := g.tests[name]
	if t == nil {
		t = &test{}
		g.tests[name] = t
	}
	return t
}

// progress writes the line of a package that has ended; one without tests gets none.
func (s *Summary) progress(w io.Writer, e event) {
	words := map[string]string{"pass": "ok", "fail": "FAIL"}
	if word := words[e.Action]; word != "" {
		fmt.Fprintf(w, "%-5s %s  %.1f s  (%s)\n", word, e.Package, e.Elapsed, s.packages[e.Package].counts())
	}
}

// Counts adds up all packages. Where nothing ran at all, that is one failure.
func (s *Summary) Counts() Counts {
	var sum Counts
	for _, g := range s.packages {
		c := g.counts()
		sum.Passed += c.Passed
		sum.Failed += c.Failed
		sum.Skipped += c.Skipped
	}
	if sum == (Counts{}) {
		sum.Failed = 1
	}
	return sum
}

// counts adds up one package. A test with subtests counts only where it failed and none of its subtests did; in the same
// way a package counts where it failed, or never ended, without a failed test: it did not build, or its process died.
func (g *group) counts() Counts {
	var c Counts
	for name, t := range g.tests {
		switch {
		case g.parent(name):
			if !t.ended() && !g.failedBelow(name) {
				c.Failed++
			}
		case name == "":
			if t.end == "fail" || t.end == "" {
				c.Failed++
			}
		case t.end == "pass":
			c.Passed++
		case t.end == "skip":
			c.Skipped++
		default:
			c.Failed++
		}
	}
	return c
}

// parent tells whether there are tests below a test, or in a package.
func (g *group) parent(name string) bool {
	for other := range g.tests {
		if below(other, name) {
			return true
		}
	}
	return false
}

// failedBelow tells whether a test below this one failed or did not end.
func (g *group) failedBelow(name string) bool {
	for other, t := range g.tests {
		if below(other, name) && !t.ended() {
			return true
		}
	}
	return false
}

// below tells whether name is a subtest of parent, or for the empty parent any test.
func below(name, parent string) bool {
	if parent == "" {
		return name != ""
	}
	return strings.HasPrefix(name, parent+"/")
}
