package authz_test

import (
	"testing"
	"testing/fstest"

	"github.com/gatehouse/gatehouse/authz"
)

// TestCoverageNamesWhatNoTestReached has a rule that no test asks.
func TestCoverageNamesWhatNoTestReached(t *testing.T) {
	t.Parallel()
	report, files, err := authz.TestWithCoverage(t.Context(), fstest.MapFS{
		"a.rego":      {Data: []byte("package a\ndefault allow := false\nallow if input.x == 1\nother if {\n\tinput.y == 2\n}\n")},
		"a_test.rego": {Data: []byte("package a_test\nimport data.a\ntest_one if a.allow with input as {\"x\": 1}\n")},
	})
	if err != nil || report.Passed != 1 || len(report.Failures) != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	if len(files) != 1 || files[0].File != "a.rego" || files[0].Percent >= 100 || files[0].Percent <= 0 {
		t.Fatalf("%+v", files)
	}
	missed := map[int]bool{}
	for _, p := range files[0].Missed {
		missed[p.Line] = true
	}
	if !missed[5] || missed[3] {
		t.Errorf("missed %v", files[0].Missed)
	}
}
