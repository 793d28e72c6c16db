package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/golden"
)

// TestDiffs compares the documents below before/ with those below after/ of each case, and wants the changes that stand
// beside them.
func TestDiffs(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/diffs/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(path.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			whole := txtar.Parse(text)
			sides := map[string]fstest.MapFS{"before": {}, "after": {}}
			var inputs []txtar.File
			for _, f := range whole.Files {
				side, name, _ := strings.Cut(f.Name, "/")
				if files, ok := sides[side]; ok {
					files[name] = &fstest.MapFile{Data: f.Data}
					inputs = append(inputs, f)
				}
			}
			load := func(side string) *gateway.Documents {
				if len(sides[side]) == 0 {
					return nil
				}
				docs, faults := config.LoadFS(sides[side], config.Options{LookupEnv: environment})
				if len(faults) > 0 {
					t.Fatal(faults)
				}
				return docs
			}
			changes := config.Diff(load("before"), load("after"))
			whole.Files = append(inputs, txtar.File{Name: "changes", Data: shownChanges(changes)})
			golden.Equal(t, file, txtar.Format(whole))
		})
	}
}

// shownChanges writes changes as a person would read them.
func shownChanges(changes []gateway.Change) []byte {
	var b bytes.Buffer
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s %q %s\n", c.Kind, c.Object, c.Team, c.Place)
		for _, f := range c.Fields {
			fmt.Fprintf(&b, "  %s %s %s\n", f.Kind, f.Field, f.Place)
			for _, side := range []struct{ mark, text string }{{"-", f.Before}, {"+", f.After}} {
				if side.text != "" {
					fmt.Fprintf(&b, "    %s %s\n", side.mark, strings.ReplaceAll(side.text, "\n", "\n    "+side.mark+" "))
				}
			}
		}
	}
	return b.Bytes()
}
