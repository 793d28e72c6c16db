package authz_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/bundle"
)

// TestStandaloneStopsAtTheLimit asks a policy that does not end.
func TestStandaloneStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	module, err := ast.ParseModuleWithOpts("loop.rego", `package envoy.authz
allow if { some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a + b == -1 }
`, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	set, faults := authz.CompileSet([]*bundle.Bundle{{Modules: map[string]*ast.Module{"loop.rego": module}}}, authz.SetOptions{Path: "envoy/authz/allow"})
	if faults != nil {
		t.Fatal(faults)
	}
	s := authz.NewStandalone(authz.StandaloneOptions{Logger: slog.New(slog.DiscardHandler), Limit: 5 * time.Millisecond})
	s.Use(set)
	response, err := s.Check(t.Context(), checkOf("any"))
	if err != nil || !strings.Contains(response.GetDeniedResponse().GetBody(), `"reason":"timeout"`) || s.Counts().Timeouts != 1 {
		t.Errorf("answered %v, %v, counted %+v", response, err, s.Counts())
	}
}
