package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

// maxLines is the length above which a file holds more than one idea.
const maxLines = 450

func TestNoFileIsTooLong(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		lines := strings.Count(f.text, "\n")
		if ext := path.Ext(f.path); (ext == ".go" || ext == ".rego") && lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: which of its ideas goes into a file of its own?", f.path, lines, maxLines)
		}
	}
}

// TestNoMachineIsNamed looks for what is true on one machine only: paths outside the repository, and the hosts of package
// registries and their mirrors.
func TestNoMachineIsNamed(t *testing.T) {
	t.Parallel()
	paths := regexp.MustCompile(`(^|[\s"'=(:,])/(root|work|home|Users|tmp|mnt)/[^\s]*`)
	hosts := regexp.MustCompile(`https?://[a-z0-9.-]*(golang|goproxy|pypi|pythonhosted|npmjs|maven|debian|crates)[a-z0-9.-]*`)
	pages := regexp.MustCompile(`//(pkg\.go\.dev|go\.dev|(www\.)?golang\.org)`)
	for _, f := range files(t) {
		if f.path == "go.sum" {
			continue
		}
		number := 0
		for line := range strings.Lines(f.text) {
			number++
			if found := paths.FindString(line); found != "" {
				t.Errorf("%s:%d names a path of some machine: %s", f.path, number, strings.TrimSpace(found))
			}
			if found := hosts.FindString(line); found != "" && !pages.MatchString(found) {
				t.Errorf("%s:%d names a registry: %s", f.path, number, found)
			}
		}
	}
}

// TestPackagesSayWhatTheyAreFor checks that each package has one comment, and that it speaks of the package. A package of
// tests only may do without.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	comments := map[string][]string{} // by folder
	for _, f := range files(t) {
		if path.Ext(f.path) != ".go" || strings.HasSuffix(f.path, "_test.go") || strings.Contains(f.path, "testdata/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		folder := path.Dir(f.path)
		if _, known := comments[folder]; !known {
			comments[folder] = nil
		}
		if parsed.Doc != nil {
			comments[folder] = append(comments[folder], f.path)
			checkOpening(t, f.path, parsed)
		}
	}
	for folder, found := range comments {
		if len(found) != 1 {
			t.Errorf("package %s has %d package comments, want one: %s", folder, len(found), strings.Join(found, ", "))
		}
	}
}

// checkOpening checks the first words of a package comment, as `go doc` expects them.
func checkOpening(t *testing.T, name string, parsed *ast.File) {
	t.Helper()
	want := "Package " + parsed.Name.Name + " "
	if parsed.Name.Name == "main" {
		want = "Command " + path.Base(path.Dir(name)) + " "
	}
	if text := parsed.Doc.Text(); !strings.HasPrefix(text, want) {
		t.Errorf("%s: the package comment begins %.40q, want %q", name, text, want)
	}
}
