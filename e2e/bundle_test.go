//go:build e2e

package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestBundle lets a route be decided by a bundle of the daemon's host: a change of it is in use at once without a revision, a
// broken one changes nothing, and after a restart without the bundle the last good one decides.
func TestBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(".manifest", `{"revision": "1", "roots": ["bank", "doors"]}`)
	put("bank.rego", "package bank\n\ndefault allow := false\n\nallow if input.parsed_path[0] in data.doors\n")
	put("data.json", `{"doors": ["front"]}`)
	first, _ := backend(t, "first", "")
	documents := site()
	documents["site.yaml"] += "authorize: [{policy: doors}]\n"
	documents["bundle.yaml"] = `
schema: 1
kind: Bundle
name: bank
directory: ${BUNDLE}
interval: 1s
---
kind: Policy
name: doors
bundle: bank
entry: bank/allow
`
	w := newWorld(t, documents, map[string]string{"FIRST": first, "BUNDLE": dir})
	w.startEnvoy("edge", "edge-1")
	is := func(what, path string, status int) {
		t.Helper()
		w.eventually(what, func() bool {
			a, err := w.do(http.MethodGet, w.url("PORT", path))
			return err == nil && a.status == status
		})
	}
	is("the bundle lets through the front door", "/front", 200)
	is("the bundle closes the back door", "/back", 403)
	before := w.revision().ID
	put("data.json", `{"doors": ["back"]}`)
	is("the changed bundle opens the back door", "/back", 200)
	is("the changed bundle closes the front door", "/front", 403)
	put("bank.rego", "package bank\n\nallow if nothing\n")
	w.eventually("the broken bundle is told of", func() bool { return w.logs("bundle not updated") })
	is("the broken bundle changes nothing", "/back", 200)
	if after := w.revision().ID; after != before {
		t.Errorf("the bundle made a revision: %s, before %s", after, before)
	}
	w.stopServer()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w.startServer()
	is("the bundle that was kept decides after a restart", "/back", 200)
	is("and refuses after a restart", "/front", 403)
}
