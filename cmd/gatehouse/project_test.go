package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProjectLeavesSecretsAtHome checks which files of a directory go to a daemon: what the configuration consists of, and
// nothing else. The quickstart has the key of its issuer beside its documents.
func TestProjectLeavesSecretsAtHome(t *testing.T) {
	t.Parallel()
	p, err := readProject(filepath.Join("..", "..", "examples", "quickstart"), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"gateway.yaml", "issuer.jwks.json", "issuer.yaml", "payments.openapi.yaml", "payments.yaml",
		"policies/payments.rego", "policies/payments_test.rego", "policies/policies.yaml",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(p.files))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if p.source != "quickstart" {
		t.Errorf("the source is %q", p.source)
	}
}

// TestSourceOf checks whose the objects of a directory are.
func TestSourceOf(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ settings, want string }{{"", "shop"}, {"source: team-shop\n", "team-shop"}, {"# nothing\n", "shop"}} {
		if step.settings != "" {
			if err := os.WriteFile(filepath.Join(dir, settingsFile), []byte(step.settings), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := sourceOf(dir); err != nil || got != step.want {
			t.Errorf("with %q: %q, %v", step.settings, got, err)
		}
	}
}
