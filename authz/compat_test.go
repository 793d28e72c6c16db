package authz_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/internal/golden"
)

// The suite of compatibility: each case is a policy as somebody wrote it for opa-envoy-plugin, a Check, and the answer. A case
// with a section "plugin" differs on purpose: the section says what the plugin does, and docs/compatibility.md why.
const (
	compatPolicies = "policy/"
	compatFlags    = "flags"
	compatCheck    = "check.json"
	compatResponse = "response.json"
	compatPlugin   = "plugin"
)

func compatCases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/compat/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("only %d cases", len(files))
	}
	return files
}

// compatSettings reads the flags of a case, which are those of `gatehouse authz`.
func compatSettings(t *testing.T, line string) (authz.StandaloneOptions, authz.SetOptions) {
	t.Helper()
	service := authz.StandaloneOptions{Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Limit: patient}
	set := authz.SetOptions{}
	flags := flag.NewFlagSet("case", flag.ContinueOnError)
	flags.BoolVar(&service.DryRun, "dry-run", false, "")
	flags.BoolVar(&service.Bare, "bare", false, "")
	flags.BoolVar(&set.SkipBody, "skip-request-body-parse", false, "")
	flags.StringVar(&set.Path, "path", "envoy/authz/allow", "")
	if err := flags.Parse(strings.Fields(line)); err != nil {
		t.Fatal(err)
	}
	return service, set
}

// TestCompatibility answers the Check of each case.
func TestCompatibility(t *testing.T) {
	t.Parallel()
	for _, file := range compatCases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runCompat(t, file, txtar.Parse(text))
		})
	}
}

func runCompat(t *testing.T, file string, archive *txtar.Archive) {
	t.Helper()
	dir, flags := t.TempDir(), ""
	check := &authv3.CheckRequest{}
	for _, f := range archive.Files {
		switch name, isPolicy := strings.CutPrefix(f.Name, compatPolicies); {
		case isPolicy:
			at := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		case f.Name == compatFlags:
			flags = string(f.Data)
		case f.Name == compatCheck:
			if err := protojson.Unmarshal(f.Data, check); err != nil {
				t.Fatal(err)
			}
		case f.Name != compatPlugin && f.Name != compatResponse:
			t.Fatalf("unknown section %q", f.Name)
		}
	}
	i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == compatResponse })
	if i < 0 {
		archive.Files = append(archive.Files, txtar.File{Name: compatResponse})
		i = len(archive.Files) - 1
	}
	archive.Files[i].Data = []byte(compatAnswer(t, dir, flags, check))
	golden.Equal(t, file, txtar.Format(archive))
}

// compatAnswer is the answer as JSON, with what differs each time left out.
func compatAnswer(t *testing.T, dir, flags string, check *authv3.CheckRequest) string {
	t.Helper()
	options, set := compatSettings(t, flags)
	loaded, err := bundle.ReadPath(dir, bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policies, faults := authz.CompileSet([]*bundle.Bundle{loaded}, set)
	if faults != nil {
		return faults.Error()[strings.LastIndex(faults.Error(), "/")+1:] + "\n"
	}
	service := authz.NewStandalone(options)
	service.Use(policies)
	response, err := service.Check(t.Context(), check)
	if err != nil {
		t.Fatalf("a Check ended in an error: %v", err)
	}
	id := response.GetDynamicMetadata().GetFields()["decision_id"].GetStringValue()
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("the decision's id is %q", id)
	}
	delete(response.GetDynamicMetadata().GetFields(), "decision_id")
	spelt, err := protojson.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer // protojson's own indentation is not stable.
	if err := json.Indent(&indented, spelt, "", "  "); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`": `, `": `).Replace(indented.String()) + "\n"
}

// TestCompatibilityIsRecorded holds docs/compatibility.md against the cases that differ.
func TestCompatibilityIsRecorded(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	page, _, _ = bytes.Cut(page, []byte("\n# envoyproxy/ratelimit\n"))
	known := map[string]bool{}
	for _, file := range compatCases(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		archive, name := txtar.Parse(text), strings.TrimSuffix(filepath.Base(file), ".txtar")
		if len(bytes.TrimSpace(archive.Comment)) == 0 {
			t.Errorf("%s does not say what it shows", name)
		}
		differs := slices.ContainsFunc(archive.Files, func(f txtar.File) bool { return f.Name == compatPlugin })
		known[name] = differs
		if mentioned := bytes.Contains(page, fmt.Appendf(nil, "`%s`", name)); differs && !mentioned {
			t.Errorf("%s differs from the plugin, and docs/compatibility.md does not say so", name)
		}
	}
	for _, found := range regexp.MustCompile("(?m)^\\| .*\\| `([a-z0-9-]+)` \\|$").FindAllSubmatch(page, -1) {
		if !known[string(found[1])] {
			t.Errorf("docs/compatibility.md names %s, which is no case that differs", found[1])
		}
	}
}
