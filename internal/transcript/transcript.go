// Package transcript reads the commands of a README and what they answer, so that a page that people copy from is also what
// is run and tested.
//
// In: Markdown with blocks marked console: a line that begins with "$ " is a command, what follows is its answer. Out: the
// commands and their answers. A command goes on in the next line after a backslash. In an answer "..." stands for any text,
// and on a line of its own for any lines.
package transcript

import (
	"regexp"
	"strings"
)

// Step is one command and what it answers on both streams.
type Step struct {
	Command string
	Answer  string // May be empty: nothing is said about it.
}

// Parse returns the steps of a page in their order.
func Parse(page string) []Step {
	var steps []Step
	inside, goesOn := false, false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\r\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		last := len(steps) - 1
		switch {
		case strings.HasPrefix(line, "```"):
			inside, goesOn = line == "```console", false
		case !inside:
		case goesOn:
			steps[last].Command += "\n" + line
			goesOn = strings.HasSuffix(line, `\`)
		case isCommand:
			steps = append(steps, Step{Command: command})
			goesOn = strings.HasSuffix(command, `\`)
		case last >= 0:
			steps[last].Answer += line + "\n"
		}
	}
	return steps
}

// Matches reports whether what a command really answered is what the page says. Carriage returns and the white space at
// the end do not count.
func (s Step) Matches(answered string) bool {
	want := strings.TrimSpace(s.Answer)
	if want == "" {
		return true
	}
	pattern := regexp.QuoteMeta(want)
	anyLines, anyText := regexp.QuoteMeta("..."), regexp.QuoteMeta("...")
	lines := strings.Split(pattern, "\n")
	for i, line := range lines {
		if line == anyLines {
			lines[i] = `(?s:.*)`
			continue
		}
		lines[i] = strings.ReplaceAll(line, anyText, `[^\n]*`)
	}
	whole := regexp.MustCompile(`^` + strings.Join(lines, "\n") + `$`) // Quoted text and our own pieces always compile.
	return whole.MatchString(strings.TrimSpace(strings.ReplaceAll(answered, "\r", "")))
}
