package posture

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
)

// SARIF writes findings as a log of SARIF 2.1.0 (OASIS), for one run of a tool with these rules. Files are named as the
// findings name them; waived findings are suppressed, with their reason.
func SARIF(w io.Writer, findings []Finding, rules []Rule, version string) error {
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "gatehouse", Version: version, Rules: []sarifRule{}}},
		Results: []sarifResult{},
		Kind:    "utf16CodeUnits",
	}
	index := map[string]int{}
	for i, r := range rules {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: r.ID, Short: sarifText{r.Title}, Full: sarifText{r.Why}, Help: sarifText{r.Fix + "."},
			Level: sarifLevel{r.Severity.sarif()}, Properties: sarifScore{r.Severity.score()},
		})
	}
	for _, f := range findings {
		run.Results = append(run.Results, f.sarif(index[f.Rule]))
	}
	text, err := json.MarshalIndent(sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

func (f Finding) sarif(rule int) sarifResult {
	result := sarifResult{
		Rule: f.Rule, Index: rule, Level: f.Severity.sarif(), Message: sarifText{f.Message + ". " + f.Fix + "."},
		// What a finding is known by from one run to the next: lines move.
		Fingerprints: map[string]string{"finding/v1": f.Rule + "/" + f.Object.String() + "/" + f.Field},
	}
	if f.Place.File != "" {
		at := sarifPhysical{Artifact: sarifArtifact{path.Clean(f.Place.File)}}
		if f.Place.Line > 0 {
			at.Region = &sarifRegion{f.Place.Line, f.Place.Column}
		}
		result.Locations = []sarifLocation{{at}}
	}
	if f.Waived != nil {
		result.Suppressions = []sarifSuppression{{"external", fmt.Sprintf("%s (until %s)", f.Waived.Reason, f.Waived.Until)}}
	}
	return result
}

// sarif returns the level of SARIF 3.27.10 that is nearest.
func (s Severity) sarif() string {
	switch s {
	case High, Critical:
		return "error"
	case Warning:
		return "warning"
	}
	return "note"
}

// score returns the severity as a number from 0 to 10, as code hosts sort by.
func (s Severity) score() string {
	switch s {
	case Critical:
		return "9.5"
	case High:
		return "8.0"
	case Warning:
		return "5.0"
	}
	return "2.0"
}

// What follows are the objects of SARIF 2.1.0, section 3, as far as they are used.

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Kind    string        `json:"columnKind"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID         string     `json:"id"`
	Short      sarifText  `json:"shortDescription"`
	Full       sarifText  `json:"fullDescription"`
	Help       sarifText  `json:"help"`
	Level      sarifLevel `json:"defaultConfiguration"`
	Properties sarifScore `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifScore struct {
	Score string `json:"security-severity"`
}

type sarifResult struct {
	Rule         string             `json:"ruleId"`
	Index        int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations,omitempty"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	Line   int `json:"startLine"`
	Column int `json:"startColumn,omitempty"`
}

type sarifSuppression struct {
	Kind   string `json:"kind"`
	Reason string `json:"justification"`
}
