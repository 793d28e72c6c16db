package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadRealRun feeds the summary with what the real toolchain says about packages that go wrong in each way there is.
func TestReadRealRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		source string // of a_test.go
		want   Counts
		report []string
	}{
		{
			name:   "subtests count, their parents do not",
			source: `func TestA(t *testing.T) { t.Run("x", func(*testing.T) {}); t.Run("y", func(*testing.T) {}) }; func TestB(*testing.T) {}`,
			want:   Counts{Passed: 3},
		},
		{
			name:   "a failed subtest fails once",
			source: `func TestA(t *testing.T) { t.Run("x", func(t *testing.T) { t.Error("blue") }); t.Run("y", func(*testing.T) {}) }`,
			want:   Counts{Passed: 1, Failed: 1},
			report: []string{"TestA/x", "blue"},
		},
		{
			name:   "a parent that fails by itself",
			source: `func TestA(t *testing.T) { t.Run("x", func(*testing.T) {}); t.Error("blue") }`,
			want:   Counts{Passed: 1, Failed: 1},
			report: []string{"blue"},
		},
		{
			name:   "a skipped test gives its reason",
			source: `func TestA(t *testing.T) { t.Skip("no moon") }; func TestB(*testing.T) {}`,
			want:   Counts{Passed: 1, Skipped: 1},
			report: []string{"skipped: a.test TestA: ", "no moon"},
		},
		{
			name:   "a package that does not build",
			source: `func TestA(t *testing.T) { undefined() }`,
			want:   Counts{Failed: 1},
			report: []string{"undefined: undefined"},
		},
		{
			name:   "a panic",
			source: `func TestA(*testing.T) {}; func TestB(*testing.T) { panic("blue") }`,
			want:   Counts{Passed: 1, Failed: 1},
			report: []string{"panic: blue"},
		},
		{
			name:   "a process that ends itself",
			source: `func TestA(*testing.T) { os.Exit(3) }`,
			want:   Counts{Failed: 1},
			report: []string{"TestA"},
		},
		{
			name:   "a package whose frame fails after its tests",
			source: `func TestA(*testing.T) {}; func TestMain(m *testing.M) { m.Run(); os.Exit(1) }`,
			want:   Counts{Passed: 1, Failed: 1},
		},
		{name: "no test at all", source: ``, want: Counts{Failed: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			summary, err := Read(bytes.NewReader(run(t, tt.source)), t.Output())
			if err != nil {
				t.Fatal(err)
			}
			if got := summary.Counts(); got != tt.want {
				t.Errorf("counts %+v, want %+v", got, tt.want)
			}
			var report strings.Builder
			summary.Report(&report)
			for _, want := range tt.report {
				if !strings.Contains(report.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, &report)
				}
			}
		})
	}
}

// run returns what `go test -json` says about a package with this test file.
func run(t *testing.T, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	source = "package a\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nvar _, _ = os.Exit, testing.Short\n\n" + source
	for name, text := range map[string]string{"go.mod": "module a.test\n", "a_test.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-json", "./...")
	command.Dir = dir
	events, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return events
}

// TestCutOff checks that a run which is cut off in the middle of a test is not taken for a good one.
func TestCutOff(t *testing.T) {
	t.Parallel()
	events := `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestA"}
{"Action":"pass","Package":"a","Test":"TestA"}
{"Action":"run","Package":"a","Test":"TestB"}
go: the toolchain's own words
{"Action":"outp`
	var progress strings.Builder
	summary, err := Read(strings.NewReader(events), &progress)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := summary.Counts(), (Counts{Passed: 1, Failed: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if !strings.Contains(progress.String(), "the toolchain's own words") {
		t.Errorf("progress lacks the line that is no event: %q", &progress)
	}
}

func TestCountsString(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		counts Counts
		want   string
	}{
		{Counts{Passed: 12}, "12 passed, 0 failed"},
		{Counts{Passed: 1, Failed: 2, Skipped: 3}, "1 passed, 2 failed, 3 skipped"},
	} {
		if got := tt.counts.String(); got != tt.want {
			t.Errorf("%+v prints %q, want %q", tt.counts, got, tt.want)
		}
	}
}
