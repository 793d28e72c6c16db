package house

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinksResolve follows every link between the documents: the file must exist, and so must the heading.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code := regexp.MustCompile("`[^`\n]*`") // A bracket in code is no link.
	documents := map[string]string{}
	for _, f := range files(t) {
		if path.Ext(f.path) == ".md" {
			documents[f.path] = withoutCode(f.text)
		}
	}
	for name, text := range documents {
		for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target, heading, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := name
			if target != "" {
				to = path.Join(path.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, match[1])
				continue
			}
			if heading != "" && !headings(documents[to])[heading] {
				t.Errorf("%s links to %s, which has no such heading", name, match[1])
			}
		}
	}
}

// withoutCode removes fenced blocks: a bracket there is no link, a # no heading.
func withoutCode(text string) string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out.WriteString(line)
		}
	}
	return out.String()
}

// headings returns the anchors of a document's headings, as the usual renderers make them.
func headings(text string) map[string]bool {
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	anchors := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			title := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
			anchors[strings.ReplaceAll(dropped.ReplaceAllString(title, ""), " ", "-")] = true
		}
	}
	return anchors
}

// TestDecisionsAreNumbered checks the decision records: numbers without a gap, the usual parts, and a line in their index.
func TestDecisionsAreNumbered(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(root, "docs", "adr")
	entries, err := os.ReadDir(folder) // sorted by name
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^\d{4}-[a-z0-9-]+\.md$`)
	number := 0
	for _, entry := range entries {
		if entry.Name() == "README.md" {
			continue
		}
		number++
		if !name.MatchString(entry.Name()) || !strings.HasPrefix(entry.Name(), fmt.Sprintf("%04d-", number)) {
			t.Errorf("%s: want the name %04d-title.md", entry.Name(), number)
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), fmt.Sprintf("# %04d ", number)) {
			t.Errorf("%s: want the heading to begin with its number", entry.Name())
		}
		for _, part := range []string{"Status: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q", entry.Name(), strings.TrimSpace(part))
			}
		}
		if !strings.Contains(string(index), "("+entry.Name()+")") {
			t.Errorf("docs/adr/README.md does not list %s", entry.Name())
		}
	}
	if number == 0 {
		t.Error("found no decision record")
	}
}
