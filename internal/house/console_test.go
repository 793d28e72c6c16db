package house

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestConsoleBlocksAreExecuted checks that what the pages show in blocks marked console is run: by a script that executes the
// page word for word, or because each of its commands stands in a page that is.
func TestConsoleBlocksAreExecuted(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{}
	pages := map[string]string{}
	for _, f := range files(t) {
		switch {
		case path.Ext(f.path) == ".txtar":
			scripts[f.path] = f.text
		case path.Ext(f.path) == ".md" && strings.Contains(f.text, "```console"):
			pages[f.path] = f.text
		}
	}
	executed := map[string][]string{
		// page: the script, and its line.
		"README.md":                       {"cmd/gatehouse/testdata/envoy/readme.txtar", "page README.md"},
		"cmd/gatehouse/project/README.md": {"cmd/gatehouse/testdata/envoy/init.txtar", "page README.md"},
		"docs/changes.md":                 {"cmd/gatehouse/testdata/script/changes_page.txtar", "page $ROOT/docs/changes.md"},
		"docs/hops.md":                    {"cmd/gatehouse/testdata/script/hops_page.txtar", "page $ROOT/docs/hops.md"},
		"docs/keys.md":                    {"cmd/gatehouse/testdata/script/keys_page.txtar", "page $ROOT/docs/keys.md"},
		"docs/ratelimit.md":               {"cmd/gatehouse/testdata/script/ratelimit_page.txtar", "page page.md"},
		"docs/transform.md":               {"cmd/gatehouse/testdata/script/transform_page.txtar", "page $ROOT/docs/transform.md"},
		"docs/tutorial.md":                {"cmd/gatehouse/testdata/envoy/tutorial.txtar", "page tutorial.md"},
		"examples/limits/README.md":       {"cmd/gatehouse/testdata/envoy/limits.txtar", "page README.md"},
		"examples/authz/README.md":        {"cmd/gatehouse/testdata/envoy/authz.txtar", "page README.md"},
		"examples/gitops/README.md":       {"cmd/gatehouse/testdata/envoy/gitops.txtar", "page README.md"},
		"examples/quickstart/README.md":   {"cmd/gatehouse/testdata/envoy/quickstart.txtar", "page examples/quickstart/README.md"},
		"examples/tls/README.md":          {"cmd/gatehouse/testdata/envoy/tls.txtar", "page examples/tls/README.md"},
	}
	for page := range pages {
		by, known := executed[page]
		if !known {
			t.Errorf("%s has blocks marked console that no script executes: execute it, and say so here", page)
			continue
		}
		if !slices.Contains(strings.Split(scripts[by[0]], "\n"), by[1]) {
			t.Errorf("%s is to be executed by the line %q of %s, which it does not have", page, by[1], by[0])
		}
	}
	for page := range executed {
		if pages[page] == "" {
			t.Errorf("%s has no blocks marked console any more", page)
		}
	}
}

// TestPagesAreListed checks that the index of the pages has each of them.
func TestPagesAreListed(t *testing.T) {
	t.Parallel()
	index := ""
	var pages []string
	for _, f := range files(t) {
		if f.path == "docs/README.md" {
			index = f.text
		} else if path.Ext(f.path) == ".md" && path.Dir(f.path) == "docs" {
			pages = append(pages, path.Base(f.path))
		}
	}
	link := regexp.MustCompile(`\]\(([^)#]+)`)
	var listed []string
	for _, match := range link.FindAllStringSubmatch(index, -1) {
		listed = append(listed, match[1])
	}
	for _, page := range pages {
		if !slices.Contains(listed, page) {
			t.Errorf("docs/README.md does not list %s", page)
		}
	}
}
