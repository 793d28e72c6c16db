package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// policyTestsLimit bounds all tests of a plan together.
const policyTestsLimit = 20 * time.Second

// testPolicies runs the tests that stand beside the policies of the source that is proposed to. What fails is shown, and stands
// against nothing.
func (s *Server) testPolicies(ctx context.Context, c *candidate) {
	if c.next == nil {
		return
	}
	sources, err := config.SplitSources(c.documents.Files)
	i := slices.IndexFunc(sources, func(o config.Source) bool { return o.Name == c.plan.Source })
	if err != nil || i < 0 {
		return
	}
	rego := map[string][]byte{}
	tests := false
	for file, text := range sources[i].Files {
		if strings.HasSuffix(file, ".rego") {
			rego[file] = text
			tests = tests || strings.HasSuffix(file, "_test.rego")
		}
	}
	if !tests {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, policyTestsLimit)
	defer cancel()
	files, err := config.FS(rego)
	if err != nil {
		c.plan.Tests = append(c.plan.Tests, admin.PolicyTest{Name: "all", Output: err.Error()})
		return
	}
	report, err := authz.TestPolicies(ctx, files)
	if err != nil {
		c.plan.Tests = append(c.plan.Tests, admin.PolicyTest{Name: "all", Output: err.Error()})
		return
	}
	for _, f := range report.Failures {
		c.plan.Tests = append(c.plan.Tests, policyTest(c.plan.Source, f, false))
	}
	for _, p := range report.Passes {
		c.plan.Tests = append(c.plan.Tests, policyTest(c.plan.Source, p, true))
	}
}

// policyTest returns the outcome of a test in the words of the management API.
func policyTest(source string, t authz.TestFailure, passed bool) admin.PolicyTest {
	policy, name := "", t.Name
	if i := strings.LastIndexByte(t.Name, '.'); i >= 0 {
		policy, name = strings.TrimPrefix(t.Name[:i], "data."), t.Name[i+1:]
	}
	at := gateway.Place{Source: source, File: t.Place.File, Line: t.Place.Line, Column: t.Place.Column}
	return admin.PolicyTest{Policy: policy, Name: name, Passed: passed, Place: at, Output: t.Output}
}
