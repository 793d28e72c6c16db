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
	s := alone(t, `package envoy.authz
allow if { some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a + b == -1 }
`, authz.StandaloneOptions{Limit: 5 * time.Millisecond})
	response, err := s.Check(t.Context(), checkOf("any"))
	if err != nil || !strings.Contains(response.GetDeniedResponse().GetBody(), `"reason":"timeout"`) || s.Counts().Timeouts != 1 {
		t.Errorf("answered %v, %v, counted %+v", response, err, s.Counts())
	}
}

// alone returns a Standalone that asks a policy.
func alone(t *testing.T, rego string, o authz.StandaloneOptions) *authz.Standalone {
	t.Helper()
	module, err := ast.ParseModuleWithOpts("a.rego", rego, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	set, faults := authz.CompileSet([]*bundle.Bundle{{Modules: map[string]*ast.Module{"a.rego": module}}}, authz.SetOptions{Path: "envoy/authz/allow"})
	if faults != nil {
		t.Fatal(faults)
	}
	o.Logger = slog.New(slog.DiscardHandler)
	s := authz.NewStandalone(o)
	s.Use(set)
	return s
}

// TestAloneReadsNoHugeBody sends bodies around the longest that policies may read: one that is longer is refused before it is parsed,
// in no more time than a policy takes, whatever it is; and it is no matter of a policy that does not read it.
func TestAloneReadsNoHugeBody(t *testing.T) {
	t.Parallel()
	reading := alone(t, "package envoy.authz\nallow if not input.parsed_body.bad", authz.StandaloneOptions{Limit: patient})
	narrow := alone(t, "package envoy.authz\nallow if not input.parsed_body.bad", authz.StandaloneOptions{Limit: patient, Body: 64})
	other := alone(t, "package envoy.authz\nallow if not input.attributes.request.http.headers.bad", authz.StandaloneOptions{Limit: patient})
	text := func(size int) string { return `"` + strings.Repeat("a", size-2) + `"` }
	for name, test := range map[string]struct {
		by     *authz.Standalone
		kind   string
		body   string
		raw    bool
		status int
	}{
		"1 MiB":               {reading, "application/json", text(1 << 20), false, 200},
		"one byte more":       {reading, "application/json", text(1<<20 + 1), false, 413},
		"10 MiB":              {reading, "application/json", `{"items": [` + strings.Repeat("1,", 5<<20) + "1]}", false, 413},
		"10 MiB of a form":    {reading, "application/x-www-form-urlencoded", strings.Repeat("a=1&", 10<<18), false, 413},
		"10 MiB of bytes":     {reading, "application/json", text(10 << 20), true, 413},
		"10 MiB of any kind":  {reading, "text/plain", text(10 << 20), false, 413},
		"10 MiB, not read":    {other, "application/json", text(10 << 20), false, 200},
		"as long as it may":   {narrow, "application/json", text(64), false, 200},
		"longer than it may":  {narrow, "application/json", text(65), false, 413},
		"as bytes":            {narrow, "application/json", text(64), true, 200},
		"as bytes, longer so": {narrow, "application/json", text(65), true, 413},
	} {
		check := envoyCheck(t, "any", "POST", "/payments/a", nil)
		check.Attributes.Request.Http.Headers["content-type"] = test.kind
		if check.Attributes.Request.Http.Body = test.body; test.raw {
			check.Attributes.Request.Http.Body, check.Attributes.Request.Http.RawBody = "", []byte(test.body)
		}
		response, err := test.by.Check(t.Context(), check)
		if err != nil {
			t.Fatal(err)
		}
		status := 200
		if denied := response.GetDeniedResponse(); denied != nil {
			status = int(denied.GetStatus().GetCode())
		}
		if status != test.status {
			t.Errorf("%s: status %d, want %d", name, status, test.status)
		}
	}
}
