package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be its own children, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		os.Exit(serveChild(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{2}, spread{2, 2, 2}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spread of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestRatiosAreOfNeighbours(t *testing.T) {
	t.Parallel()
	// The machine was three times as slow in the second turn: both are, and the ratio stays.
	if got := spreadOf(ratios([]float64{20, 60}, []float64{10, 30})); got != (spread{2, 2, 2}) {
		t.Errorf("ratio: %v", got)
	}
}

func TestParseWrk(t *testing.T) {
	t.Parallel()
	const report = `Running 2s test @ http://127.0.0.1:18080/alice
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.00ms    1.00ms  20.00ms   90.00%
    Req/Sec    10.30k     1.00k   12.00k    70.00%
  20493 requests in 2.00s, 23.45MB read
Requests/sec:  10230.11
Transfer/sec:     11.71MB
`
	got, err := parseWrk([]byte(report))
	if err != nil || got.requests != 20493 || got.took != 2*time.Second {
		t.Errorf("report read as %+v, %v", got, err)
	}
	for _, bad := range []string{
		"", strings.Replace(report, "Requests/sec", "  Non-2xx or 3xx responses: 7\nRequests/sec", 1),
		strings.Replace(report, "Requests/sec", "  Socket errors: connect 0, read 1, write 0, timeout 0\nRequests/sec", 1),
	} {
		if got, err := parseWrk([]byte(bad)); err == nil {
			t.Errorf("a report that says nothing good is read as %+v:\n%s", got, bad)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const line = "4711 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15"
	got, err := parseStat([]byte(line))
	if err != nil || got != 3*time.Second {
		t.Errorf("CPU time %v, %v, want 3s", got, err)
	}
	if _, err := parseStat([]byte("4711 (x) S 1 2")); err == nil {
		t.Error("a line that is too short was read")
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ratio float64
		goal  target
		want  string
	}{
		{2.9, target{}, ""},
		{2.9, target{bound: 3}, "ok"},
		{3.1, target{bound: 3}, "missed"},
		{0.95, target{bound: 0.9, atLeast: true}, "ok"},
		{0.9, target{bound: 0.9, atLeast: true}, "ok"},
		{0.8, target{bound: 0.9, atLeast: true}, "missed"},
		{7, target{bound: 500, unit: "ms", value: 400}, "ok"},
		{0.1, target{bound: 500, unit: "ms", value: 600}, "missed"},
	} {
		if got := (figure{ratio: spread{c.ratio, 0, math.Inf(1)}, target: c.goal}).verdict(); got != c.want {
			t.Errorf("%.2f against %q: %q, want %q", c.ratio, c.goal, got, c.want)
		}
	}
}

func TestWriteInto(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	for name, text := range map[string]string{"no markers": "text\n", "one marker": "text\n" + endMarker, "turned round": endMarker + beginMarker} {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := (&table{}).writeInto(page); err == nil {
			t.Errorf("a page with %s was written", name)
		}
	}
	if err := os.WriteFile(page, []byte("before\n"+beginMarker+"\nold\n"+endMarker+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := table{machine: "a machine"}
	made.compare("Check", "us", []float64{20}, []float64{10}, target{bound: 3})
	for range 2 { // The second finds what the first has written.
		if err := made.writeInto(page); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n" + beginMarker + "\n\na machine\n\n" +
		"| measured | Gatehouse | floor | ratio | low to high | target |  |\n" +
		"| --- | ---:| ---:| ---:| --- | --- | --- |\n" +
		"| Check | 20.0 us | 10.0 us | 2.00 | 2.00 to 2.00 | at most 3 | ok |\n\n" + endMarker + "\nafter\n"
	if string(got) != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
}

func TestAmount(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{0.123: "0.12 us", 45.67: "45.7 us", 345.6: "346 us", 1234567: "1,234,567 us"} {
		if got := amount(value, "us"); got != want {
			t.Errorf("%v is written %q, want %q", value, got, want)
		}
	}
}
