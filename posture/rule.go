package posture

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says how much a finding matters.
type Severity string

// The severities, from the least. Critical is for what is open to everybody who can reach it.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Severities returns all, from the least.
func Severities() []Severity { return []Severity{Info, Warning, High, Critical} }

func (s Severity) rank() int { return slices.Index(Severities(), s) }

// Rule is one thing that is looked for. Its ID never changes its meaning.
type Rule struct {
	ID       string
	Title    string
	Severity Severity
	Why      string // Why it matters, in a sentence or a few.
	Fix      string // What to do about it; one line, no trailing period.
	check    func(*review)
}

// Explain returns what a rule says, as Markdown that begins with its ID and title. ok is false for a rule that does not
// exist; upper and lower case are the same.
func Explain(id string) (text string, ok bool) {
	for _, r := range slices.Concat(Security(), Style()) {
		if strings.EqualFold(r.ID, id) {
			return r.text(), true
		}
	}
	return "", false
}

func (r Rule) text() string {
	return fmt.Sprintf("%s %s\n\nSeverity: %s. %s\n\n%s.\n", r.ID, r.Title, r.Severity, r.Why, r.Fix)
}

// Page returns a page about rules, as Markdown.
func Page(title, introduction string, rules []Rule) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", title, strings.TrimSpace(introduction))
	for _, rule := range rules {
		fmt.Fprintf(&b, "## %s\n", rule.text())
	}
	return []byte(strings.TrimRight(b.String(), "\n") + "\n")
}
