package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/version"
	"github.com/gatehouse/gatehouse/posture"
	"github.com/gatehouse/gatehouse/server"
)

// never is the word by which no finding makes a verb fail.
const never = "never"

// findingsOptions are what the verbs that look over documents are told.
type findingsOptions struct {
	env    surroundings
	rules  func() []posture.Rule
	beside beside
	format choice
	failOn choice
}

// add adds the flags to a verb.
func (o *findingsOptions) add(c *cobra.Command, failOn posture.Severity) {
	o.format = newChoice("table", "table", "json", "yaml", "sarif", "junit")
	o.format.add(c, "output", "o", "form of the findings")
	words := []string{never}
	for _, s := range posture.Severities() {
		words = append(words, string(s))
	}
	o.failOn = newChoice(string(failOn), words...)
	o.beside.add(c)
	o.failOn.add(c, "fail-on", "", "exit with 2 where a finding is at or above this severity")
}

// review looks over a directory. Faults are printed as `validate` prints them.
func (o *findingsOptions) review(dir string) (*server.Reviewed, error) {
	work, err := o.beside.work(dir)
	if err != nil {
		return nil, err
	}
	reviewed, faults := work.Review(o.env.lookup, o.env.now())
	if len(faults) > 0 {
		own, others := o.beside.own(dir, faults)
		return nil, o.faulty(o.beside.name(dir), append(own, others...))
	}
	return reviewed, nil
}

func (o *findingsOptions) faulty(from string, faults gateway.Faults) error {
	for _, f := range faults {
		fmt.Fprintln(o.env.stderr, f.Error())
	}
	fmt.Fprintf(o.env.stderr, "%s: %s: correct these first\n", from, count(len(faults), "fault"))
	return silentError{}
}

// show writes findings, and ends with exit code 2 where one is bad enough. from says what was looked over.
func (o *findingsOptions) show(from string, findings []posture.Finding) error {
	if err := o.write(findings); err != nil {
		return err
	}
	fmt.Fprintf(o.env.stderr, "%s: %s\n", from, tally(findings))
	if o.failOn.value != never && len(posture.Worst(findings, posture.Severity(o.failOn.value))) > 0 {
		return changesError{}
	}
	return nil
}

func (o *findingsOptions) write(findings []posture.Finding) error {
	switch o.format.value {
	case "sarif":
		return posture.SARIF(o.env.stdout, findings, o.rules(), version.Read().Version)
	case "junit":
		least := posture.Severity(o.failOn.value)
		if o.failOn.value == never {
			least = ""
		}
		return posture.JUnit(o.env.stdout, findings, o.rules(), least)
	}
	data := struct {
		Findings []posture.Finding `json:"findings"`
	}{append([]posture.Finding{}, findings...)}
	return o.format.write(o.env.stdout, data, func(w io.Writer) error {
		for _, f := range findings {
			if f.Waived == nil {
				fmt.Fprintln(w, findingLine(f))
			}
		}
		return nil
	})
}

// findingLine returns a finding for people, as editors read places.
func findingLine(f posture.Finding) string {
	at := f.Place.String()
	if at != "" {
		at += ": "
	}
	return fmt.Sprintf("%s%s: %s: %s. %s.", at, f.Rule, f.Severity, f.Message, f.Fix)
}

// tally counts findings in words.
func tally(findings []posture.Finding) string {
	bySeverity := map[posture.Severity]int{}
	open, waived := 0, 0
	for _, f := range findings {
		if f.Waived != nil {
			waived++
			continue
		}
		open++
		bySeverity[f.Severity]++
	}
	text := "no findings"
	if open > 0 {
		var parts []string
		for _, s := range posture.Severities() {
			if n := bySeverity[s]; n > 0 {
				parts = append([]string{fmt.Sprintf("%d %s", n, s)}, parts...)
			}
		}
		text = count(open, "finding") + ": " + strings.Join(parts, ", ")
	}
	if waived > 0 {
		text += fmt.Sprintf("; %d waived", waived)
	}
	return text
}

// seenFrom returns findings with the paths of their files as seen from here.
func seenFrom(dir string, findings []posture.Finding) []posture.Finding {
	out := make([]posture.Finding, len(findings))
	for i, f := range findings {
		if f.Place.File != "" {
			f.Place.File = filepath.Join(dir, filepath.FromSlash(f.Place.File))
		}
		out[i] = f
	}
	return out
}
