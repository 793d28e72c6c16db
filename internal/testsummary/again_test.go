package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAgain has two tests that fail: one of them passes in a second run.
func TestAgain(t *testing.T) {
	t.Parallel()
	const first = `func TestA(t *testing.T) { t.Run("x", func(t *testing.T) { t.Error("blue") }); t.Run("y", func(*testing.T) {}) }
func TestB(t *testing.T) { t.Error("red") }
func TestC(t *testing.T) {}`
	const second = `func TestA(t *testing.T) { t.Run("x", func(t *testing.T) {}); t.Run("y", func(*testing.T) {}) }
func TestB(t *testing.T) { t.Error("red") }`
	read := func(source string) *Summary {
		summary, err := Read(bytes.NewReader(run(t, source)), t.Output())
		if err != nil {
			t.Fatal(err)
		}
		return summary
	}
	summary := read(first)
	if diff := cmp.Diff([]string{"a.test ^(TestA|TestB)$"}, summary.Again(2)); diff != "" {
		t.Error(diff)
	}
	if lines := summary.Again(1); lines != nil {
		t.Errorf("two failed, and %q are to be run again, at most one", lines)
	}
	if lines := read(`func TestA(t *testing.T) { undefined() }`).Again(9); lines != nil {
		t.Errorf("what does not build is to be run again: %q", lines)
	}
	summary.Forgive(read(second))
	if got, want := summary.Counts(), (Counts{Passed: 3, Failed: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	var report strings.Builder
	summary.Report(&report)
	if !strings.Contains(report.String(), "failed among others, passed alone: a.test TestA\n") || !strings.Contains(report.String(), "red") {
		t.Errorf("the report:\n%s", &report)
	}
	summary.Forgive(read(`func TestB(t *testing.T) {}`))
	if got, want := summary.Counts(), (Counts{Passed: 4}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

// TestOnceFailedHasFailed has a test that fails with the race detector, and passes without it later in the same run.
func TestOnceFailedHasFailed(t *testing.T) {
	t.Parallel()
	events := append(run(t, `func TestA(t *testing.T) { t.Error("blue") }`), run(t, `func TestA(t *testing.T) {}`)...)
	summary, err := Read(bytes.NewReader(events), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := summary.Counts(), (Counts{Failed: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}
