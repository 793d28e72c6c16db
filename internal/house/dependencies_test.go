package house

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDependenciesAreExplained holds docs/dependencies.md against what the code imports: each module with its version, its
// licence and the reason why it is here; and no row for what is gone.
func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()
	modules := required(t)
	used := map[string]bool{}
	for _, f := range files(t) {
		if path.Ext(f.path) != ".go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		for _, spec := range parsed.Imports {
			if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
				used[moduleOf(imported, modules)] = true
			}
		}
	}
	delete(used, "") // the standard library and the house itself
	if len(used) == 0 {
		t.Fatal("found no dependency")
	}
	rows := explained(t)
	for module := range used {
		if rows[module] == "" {
			t.Errorf("docs/dependencies.md does not explain %s %s, which is imported", module, modules[module])
		}
	}
	for module, version := range rows {
		if modules[module] != version {
			t.Errorf("docs/dependencies.md explains %s %s, go.mod has %q", module, version, modules[module])
		}
	}
}

// required returns the version of each module that go.mod requires, also of those that it calls indirect: the code decides
// which are not.
func required(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^(?:require |\t)(\S+) (v\S+)`).FindAllStringSubmatch(string(text), -1) {
		modules[match[1]] = match[2]
	}
	return modules
}

// moduleOf returns the module that holds a package: the longest that is a prefix of its path.
func moduleOf(imported string, modules map[string]string) string {
	found := ""
	for module := range modules {
		if (imported == module || strings.HasPrefix(imported, module+"/")) && len(module) > len(found) {
			found = module
		}
	}
	return found
}

// explained returns the versions in the tables of docs/dependencies.md. A row without licence or reason counts for nothing.
func explained(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v\\S+) \\| [^|]*\\S[^|]* \\| [^|]*\\S[^|]* \\|$")
	rows := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		rows[match[1]] = match[2]
	}
	return rows
}
