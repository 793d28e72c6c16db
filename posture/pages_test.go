package posture_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/internal/golden"
	"github.com/gatehouse/gatehouse/posture"
)

// TestPages holds the pages about the rules against the rules; -update writes them.
func TestPages(t *testing.T) {
	golden.Equal(t, "../docs/posture.md", posture.Page("Posture", `
<!-- Written by "go test ./posture -update" from the rules. -->

`+"`gatehouse posture DIR`"+` looks over documents that are without fault for what is unsafe. A finding is no fault: it is served. It exits
with 2 where a finding is at or above `+"`--fail-on`"+` (high, where not said), and writes a table, JSON, YAML, SARIF 2.1.0 or JUnit XML.
The severities are info, warning, high and critical. `+"`gatehouse lint`"+` asks [other questions](lint.md).

What is accepted is waived in `+"`.gatehouse/waivers.yaml`"+` beside the documents, for rules of this page and of the other:

    schema: 1
    waivers:
      - rule: GS001
        object: API payments/v1          # as the finding names it; * for every object
        field: operations[2].authenticate  # every field where not said
        reason: the price list is for everybody
        until: 2027-01-31                # the last day

An expired waiver covers nothing, and is a finding itself.

Without a directory `+"`gatehouse posture`"+` looks over what the daemon serves: there no waiver counts, and certificates, which are files of
the daemon's host, are not looked at. `+"`gatehouse plan`"+` warns of findings that are high or critical and that the change adds.`, posture.Security()))
	golden.Equal(t, "../docs/lint.md", posture.Page("Lint", `
<!-- Written by "go test ./posture -update" from the rules. -->

`+"`gatehouse lint DIR`"+` looks over documents that are without fault for what could be written better. It exits with 2 where a finding is
at or above `+"`--fail-on`"+` (warning, where not said). Forms, severities and waivers are those of [posture](posture.md).`, posture.Style()))
}
