package authz_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/policies"
)

// TestShippedPolicies runs the Rego tests of the policies that ship with the product.
func TestShippedPolicies(t *testing.T) {
	t.Parallel()
	report, err := authz.TestPolicies(t.Context(), policies.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range report.Failures {
		t.Error(failure)
	}
	if report.Passed == 0 {
		t.Error("no test ran")
	}
}

func roles(t *testing.T, files fs.FS) *authz.Roles {
	t.Helper()
	r, err := authz.NewRoles(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func question(operation, role string) map[string]any {
	return map[string]any{"operation": operation, "query": map[string]any{}, "caller": map[string]any{"name": "olga", "role": role}}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	r := roles(t, policies.Files)
	for _, tt := range []struct {
		operation, role, need, why string
		allow                      bool
	}{
		{"listNodes", "viewer", "viewer", "", true},
		{"rollBack", "viewer", "operator", "the role operator is needed, and olga has the role viewer", false},
		{"rollBack", "operator", "operator", "", true},
		{"unheardOf", "admin", "", "no rule allows this operation", false},
		{"listNodes", "", "viewer", "the role viewer is needed", false},
	} {
		got, err := r.Decide(t.Context(), question(tt.operation, tt.role))
		if err != nil || got.Allow != tt.allow || got.Need != tt.need || !strings.Contains(got.Why, tt.why) {
			t.Errorf("%s by %s: %+v, %v", tt.operation, tt.role, got, err)
		}
	}
}

// TestRolesFailClosed has rules that do not answer, or too late: nothing is allowed.
func TestRolesFailClosed(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no answer":       "package gatehouse.admin\nverdict := {\"allow\": true} if input.never\n",
		"another answer":  "package gatehouse.admin\nverdict := \"yes\"\n",
		"an error inside": "package gatehouse.admin\nverdict := {\"allow\": 1 / input.zero > 0}\n",
	} {
		r := roles(t, fstest.MapFS{"a.rego": {Data: []byte(text)}})
		if got, err := r.Decide(t.Context(), map[string]any{"zero": 0}); err == nil || got.Allow {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := roles(t, policies.Files).Decide(ended, question("listNodes", "admin")); err == nil || got.Allow {
		t.Errorf("when the caller has gone: %+v, %v", got, err)
	}
	if _, err := authz.NewRoles(t.Context(), fstest.MapFS{"a.rego": {Data: []byte("package gatehouse.admin\nverdict := http.send({})")}}); err == nil {
		t.Error("rules that ask the network were taken")
	}
}
