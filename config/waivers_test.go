package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/config"
)

func waiversIn(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, filepath.FromSlash(config.WaiversFile))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWaivers(t *testing.T) {
	got, faults := config.LoadWaivers(waiversIn(t, `schema: 1
waivers:
  - {rule: GS001, object: API payments/v1, reason: the price list is for everybody, until: 2027-01-31}
  - rule: GS024
    object: "*"
    field: expose[0]
    reason: one customer, one host
    until: "2027-02-28"
`))
	if len(faults) > 0 || len(got) != 2 {
		t.Fatalf("%v, %v", got, faults)
	}
	if w := got[1]; w.Rule != "GS024" || w.Object != "*" || w.Field != "expose[0]" || w.Reason == "" || w.Place.Line != 4 ||
		!w.Until.Equal(time.Date(2027, 2, 28, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", w)
	}
	if got, faults := config.LoadWaivers(t.TempDir()); got != nil || faults != nil {
		t.Errorf("without a file: %v, %v", got, faults)
	}
}

func TestWaiversThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"":                "GH101",
		"waivers: [":      "GH101",
		"schema: 1":       "GH104: the field waivers is missing",
		"- rule: GS001\n": "GH103",
		"schema: 2\nwaivers: [{rule: GS001, object: x, reason: x, until: 2027-01-31}]":  "GH106",
		"schema: 1\nwaivers: [{rule: GS001, object: x, until: 2027-01-31}]":             ":2:11: GH104: the field reason is missing",
		"schema: 1\nwaivers: [{rule: GS001, object: x, reason: x}]":                     "GH104: the field until is missing",
		"schema: 1\nwaivers: [{rule: GS001, object: x, reason: x, until: never}]":       `GH112: "never" is no date`,
		"schema: 1\nwaivers: [{rule: GS001, object: x, reason: x, until: [1]}]":         "GH103: until is a list",
		"schema: 1\nwaivers: [{rule: GS001, objects: x, reason: x, until: 2027-01-31}]": `GH102: there is no field "objects" here: did you mean "object"?`,
		"schema: 1\nwaivers: []\n# " + strings.Repeat("x", 1<<20):                       "GH113",
	} {
		got, faults := config.LoadWaivers(waiversIn(t, text))
		if len(got) > 0 || !strings.Contains(faults.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, faults, want)
		}
	}
}
