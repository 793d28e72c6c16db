package posture

import (
	"encoding/xml"
	"fmt"
	"io"
)

// JUnit writes findings as JUnit's XML, as build servers read it: each rule is a case that passes where it has no finding,
// each finding a case that fails at or above a severity (empty: never). What is below passes with its text; what is waived is
// skipped.
func JUnit(w io.Writer, findings []Finding, rules []Rule, failOn Severity) error {
	suite := junitSuite{Name: "gatehouse"}
	byRule := map[string][]Finding{}
	for _, f := range findings {
		byRule[f.Rule] = append(byRule[f.Rule], f)
	}
	for _, r := range rules {
		if len(byRule[r.ID]) == 0 {
			suite.Cases = append(suite.Cases, junitCase{Class: r.ID, Name: r.Title})
		}
		for _, f := range byRule[r.ID] {
			suite.add(f, failOn)
		}
	}
	suite.Tests = len(suite.Cases)
	text, err := xml.MarshalIndent(junitSuites{Suites: []junitSuite{suite}}, "", "  ")
	if err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}

func (s *junitSuite) add(f Finding, failOn Severity) {
	name := f.Object.String()
	if f.Field != "" {
		name += " " + f.Field
	}
	c := junitCase{Class: f.Rule, Name: name}
	text := fmt.Sprintf("%s: %s. %s.", f.Place, f.Message, f.Fix)
	switch {
	case f.Waived != nil:
		c.Skipped = &junitText{Message: fmt.Sprintf("%s (until %s)", f.Waived.Reason, f.Waived.Until)}
		s.Skipped++
	case failOn != "" && len(Worst([]Finding{f}, failOn)) > 0:
		c.Failure = &junitText{Message: f.Message, Type: string(f.Severity), Text: text}
		s.Failures++
	default:
		c.Out = text
	}
	s.Cases = append(s.Cases, c)
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Failure *junitText `xml:"failure"`
	Skipped *junitText `xml:"skipped"`
	Out     string     `xml:"system-out,omitempty"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}
