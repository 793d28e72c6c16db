package authz_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gatehouse/gatehouse/authz"
)

// TestQuickstartPolicies runs the tests that stand beside the quickstart's policies.
func TestQuickstartPolicies(t *testing.T) {
	report, err := authz.TestPolicies(t.Context(), os.DirFS("../examples/quickstart/policies"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Failures {
		t.Error(f)
	}
	if report.Passed == 0 {
		t.Error("no test ran")
	}
}

func TestTestPolicies(t *testing.T) {
	files := fstest.MapFS{
		"a.rego": {Data: []byte("package a\nallow if input.x == 1\n")},
		"deep/a_test.rego": {Data: []byte(`package a_test

import data.a

test_right if a.allow with input as {"x": 1}

test_wrong if {
	print("x is not 1")
	a.allow with input as {"x": 2}
}

test_error if {
	x := [y | some y in [1]][0]
	f(x) == 3
}

f(x) := 1 if x == 1

f(x) := 2 if x > 0

todo_test_later if false
`)},
		"notes.txt": {Data: []byte("no Rego")},
	}
	report, err := authz.TestPolicies(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	if report.Passed != 1 || report.Skipped != 1 || len(report.Failures) != 2 {
		t.Fatalf("got %+v, want 1 passed, 1 skipped, 2 failed", report)
	}
	for i, want := range []string{
		"deep/a_test.rego:12: data.a_test.test_error: deep/a_test.rego", "deep/a_test.rego:7: data.a_test.test_wrong: x is not 1",
	} {
		if got := report.Failures[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("got failure %q, want %q", got, want)
		}
	}
}

func TestTestPoliciesThatDoNotCompile(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx                  context.Context
		source, test, naming string
	}{
		"syntax":    {t.Context(), "package a\nallow if {", "package a_test", "a.rego:2"},
		"unsafe":    {t.Context(), "package a\nallow if x == 1", "package a_test", "a.rego:2"},
		"forbidden": {t.Context(), "package a", "package a_test\ntest_x if opa.runtime().x == 1", "opa.runtime"},
		"cancelled": {cancelled, "package a\nallow := true", "package a_test\ntest_x if data.a.allow", "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authz.TestPolicies(test.ctx, fstest.MapFS{"a.rego": {Data: []byte(test.source)}, "a_test.rego": {Data: []byte(test.test)}})
			if err == nil || !strings.Contains(err.Error(), test.naming) {
				t.Errorf("got error %v, want one that names %s", err, test.naming)
			}
		})
	}
}
