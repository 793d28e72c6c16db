package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/authz"
)

// policyTestOptions are what `gatehouse policy test` is told.
type policyTestOptions struct {
	env       surroundings
	dir       string
	coverage  bool
	threshold float64
	watch     bool
	format    *choice
}

// policyTested is what came of the tests of policies.
type policyTested struct {
	Passed   int                  `json:"passed"`
	Skipped  int                  `json:"skipped"`
	Failures []policyTestFailure  `json:"failures"`
	Coverage []authz.FileCoverage `json:"coverage,omitempty"`
}

type policyTestFailure struct {
	Place  string `json:"place"`
	Name   string `json:"name"`
	Output string `json:"output,omitempty"`
}

// newPolicyTest returns `gatehouse policy test`.
func newPolicyTest(env surroundings) *cobra.Command {
	o := policyTestOptions{env: env}
	c := &cobra.Command{
		Use:   "test DIR",
		Short: "Run the tests of policies",
		Long: `Runs the tests (rules named test_ in files named _test.rego) of all Rego below a directory, with
the functions that policies may use. "gatehouse apply" runs them too, and applies nothing where
one fails. Exit codes: 0 all hold, 1 one does not, or too little is covered.`,
		Example: `  gatehouse policy test examples/quickstart
  gatehouse policy test --coverage --threshold 90 policies`,
		Args: oneDirectory,
	}
	o.format = newFormat(c)
	c.Flags().BoolVar(&o.coverage, "coverage", false, "tell which lines no test has reached")
	c.Flags().Float64Var(&o.threshold, "threshold", 0, "fail where tests reach less than this `PERCENT` of a file's lines")
	addWatch(c, &o.watch, "interrupted")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.dir = args[0]
		return o.run(c.Context())
	}
	return c
}

func (o *policyTestOptions) run(ctx context.Context) error {
	var last policyTested
	err := watched[policyTested]{
		watch: o.watch,
		ask:   o.test,
		show: func(t policyTested) error {
			last = t
			return o.show(t)
		},
	}.run(ctx)
	if err != nil {
		return err
	}
	return o.verdict(last)
}

func (o *policyTestOptions) test(ctx context.Context) (policyTested, error) {
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return policyTested{}, fmt.Errorf("the directory %s cannot be read: %w", o.dir, err)
	}
	defer root.Close()
	began := o.env.now()
	out := policyTested{Failures: []policyTestFailure{}}
	var report authz.TestReport
	if o.coverage || o.threshold > 0 {
		report, out.Coverage, err = authz.TestWithCoverage(ctx, root.FS())
	} else {
		report, err = authz.TestPolicies(ctx, root.FS())
	}
	if err != nil {
		if o.watch { // Whoever edits writes half a file now and then.
			out.Failures = append(out.Failures, policyTestFailure{Place: o.dir, Name: "compile", Output: err.Error()})
			return out, nil
		}
		return policyTested{}, err
	}
	out.Passed, out.Skipped = report.Passed, report.Skipped
	for _, f := range report.Failures {
		out.Failures = append(out.Failures, policyTestFailure{f.Place.String(), strings.TrimPrefix(f.Name, "data."), f.Output})
	}
	if o.watch {
		fmt.Fprintf(o.env.stderr, "%s\n", began.Format(time.TimeOnly))
	}
	return out, nil
}

func (o *policyTestOptions) show(t policyTested) error {
	return o.format.write(o.env.stdout, t, func(w io.Writer) error {
		for _, f := range t.Failures {
			fmt.Fprintf(w, "%s: %s failed\n", f.Place, f.Name)
			for line := range strings.Lines(f.Output) {
				fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
			}
		}
		for _, c := range t.Coverage {
			var lines []string
			for _, p := range c.Missed {
				lines = append(lines, fmt.Sprint(p.Line))
			}
			text := fmt.Sprintf("%.0f%%", c.Percent)
			if len(lines) > 0 {
				text += "\tnot reached: " + strings.Join(lines, ", ")
			}
			fmt.Fprintf(w, "%s\t%s\n", c.File, text)
		}
		return nil
	})
}

// verdict says what came of it in words, and fails where that is not good.
func (o *policyTestOptions) verdict(t policyTested) error {
	words := fmt.Sprintf("%s: %s passed, %d failed", o.dir, count(t.Passed, "test"), len(t.Failures))
	if t.Skipped > 0 {
		words += fmt.Sprintf(", %d skipped", t.Skipped)
	}
	if t.Passed+t.Skipped+len(t.Failures) == 0 {
		words = o.dir + ": there are no tests: write rules named test_... into files named ..._test.rego"
	}
	fmt.Fprintln(o.env.stderr, words)
	bad := len(t.Failures) > 0
	for _, c := range t.Coverage {
		if c.Percent < o.threshold {
			bad = true
			fmt.Fprintf(o.env.stderr, "%s: tests reach %.0f%% of its lines, less than %.0f%%\n", c.File, c.Percent, o.threshold)
		}
	}
	if bad {
		return silentError{}
	}
	return nil
}
