package authz

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/gatehouse/gatehouse/gateway"
)

// testLimit is how long one test of a policy may take.
const testLimit = 5 * time.Second

// TestReport is what came of the tests of policies.
type TestReport struct {
	Passed   int
	Skipped  int // Tests that are named todo_test_.
	Failures []TestFailure
	Passes   []TestFailure // Those that held, without output.
}

// TestFailure is one test, mostly one that did not hold.
type TestFailure struct {
	Place  gateway.Place
	Name   string // "data.bank.payments_test.test_customer_reads_own".
	Output string // What the test printed, or the error it ended in.
}

// String returns "file:line: name: output".
func (f TestFailure) String() string {
	text := fmt.Sprintf("%s: %s", f.Place, f.Name)
	if f.Output != "" {
		text += ": " + f.Output
	}
	return text
}

// TestPolicies runs the tests (rules named test_ in files named _test.rego) of all Rego below a directory, as `opa test`
// does, with the builtin functions that policies may use. The files see one another as one set of modules. Rego that does
// not compile is an error, which names the place.
func TestPolicies(ctx context.Context, files fs.FS) (TestReport, error) {
	modules, err := readModules(files)
	if err != nil {
		return TestReport{}, err
	}
	return runTests(ctx, modules, nil)
}

// runTests runs the tests of modules. coverage follows them; nil: nobody does.
func runTests(ctx context.Context, modules map[string]*ast.Module, coverage *cover.Cover) (TestReport, error) {
	store := inmem.New()
	txn, err := store.NewTransaction(ctx, storage.WriteParams)
	if err != nil {
		return TestReport{}, fmt.Errorf("begin the tests: %w", err)
	}
	defer store.Abort(ctx, txn)
	compiler := newGuarding(policyCapabilities()).compiler().WithEnablePrintStatements(true)
	runner := tester.NewRunner().
		SetCompiler(compiler).
		AddCustomBuiltins(testedBuiltins()).
		SetStore(store).
		SetModules(modules).
		SetTimeout(testLimit).
		CapturePrintOutput(true)
	if coverage != nil {
		runner = runner.SetCoverageQueryTracer(coverage)
	}
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		return TestReport{}, fmt.Errorf("compile the policies: %w", err)
	}
	var report TestReport
	for result := range results {
		report.add(result)
	}
	if err := ctx.Err(); err != nil {
		return TestReport{}, fmt.Errorf("run the tests: %w", err)
	}
	slices.SortFunc(report.Passes, func(a, b TestFailure) int { return strings.Compare(a.String(), b.String()) })
	slices.SortFunc(report.Failures, func(a, b TestFailure) int { return strings.Compare(a.String(), b.String()) })
	return report, nil
}

func (r *TestReport) add(result *tester.Result) {
	switch {
	case result.Skip:
		r.Skipped++
	case result.Pass():
		r.Passed++
		r.Passes = append(r.Passes, testOf(result))
	default:
		f := testOf(result)
		f.Output = strings.TrimSpace(string(result.Output))
		if result.Error != nil {
			f.Output = oneLine(result.Error.Error())
		}
		r.Failures = append(r.Failures, f)
	}
}

// testOf returns which test a result is of, and where it stands.
func testOf(result *tester.Result) TestFailure {
	f := TestFailure{Name: result.Package + "." + result.Name}
	if result.Location != nil {
		f.Place = gateway.Place{File: result.Location.File, Line: result.Location.Row}
	}
	return f
}

// readModules parses every file of Rego.
func readModules(files fs.FS) (map[string]*ast.Module, error) {
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".rego" {
			return err
		}
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		module, err := ast.ParseModuleWithOpts(name, string(source), ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true})
		if err != nil {
			return err
		}
		modules[name] = module
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	return modules, nil
}
