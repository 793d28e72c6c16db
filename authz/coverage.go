package authz

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/cover"

	"github.com/gatehouse/gatehouse/gateway"
)

// FileCoverage is how much of one file of Rego tests have reached.
type FileCoverage struct {
	File    string          `json:"file"`
	Percent float64         `json:"percent"` // Of its lines with expressions.
	Missed  []gateway.Place `json:"missed,omitempty"`
}

// TestWithCoverage is TestPolicies, and tells which lines of the policies no test has reached. Files of tests are not counted.
func TestWithCoverage(ctx context.Context, files fs.FS) (TestReport, []FileCoverage, error) {
	modules, err := readModules(files)
	if err != nil {
		return TestReport{}, nil, err
	}
	coverage := cover.New()
	report, err := runTests(ctx, modules, coverage)
	if err != nil {
		return TestReport{}, nil, err
	}
	var out []FileCoverage
	for file, found := range coverage.Report(modules).Files {
		if strings.HasSuffix(file, "_test.rego") {
			continue
		}
		one := FileCoverage{File: file, Percent: found.Coverage}
		for _, r := range found.NotCovered {
			for row := r.Start.Row; row <= r.End.Row; row++ {
				one.Missed = append(one.Missed, gateway.Place{File: file, Line: row})
			}
		}
		one.Missed = slices.Compact(one.Missed)
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b FileCoverage) int { return strings.Compare(a.File, b.File) })
	return report, out, nil
}
