package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/posture"
)

// newLint returns `gatehouse lint`.
func newLint(env surroundings) *cobra.Command {
	o := findingsOptions{env: env, rules: posture.Style}
	c := &cobra.Command{
		Use:   "lint DIR",
		Short: "Say what could be written better in a directory of documents",
		Long: `Looks over a directory of documents that is without fault by the rules of style: names,
objects that nothing uses, operations that overlap, Rego that is not formatted.

  FILE:LINE:COLUMN: RULE: SEVERITY: what is so. What to do.

docs/lint.md lists the rules. What is accepted stands in .gatehouse/waivers.yaml, with a
reason and until when. Exit codes: 0 nothing at or above --fail-on, 2 something, 1 faults.`,
		Example: `  gatehouse lint examples/quickstart
  gatehouse lint --fail-on never -o sarif . > lint.sarif`,
		Args: oneDirectory,
	}
	o.add(c, posture.Warning)
	c.RunE = func(_ *cobra.Command, args []string) error {
		reviewed, err := o.review(args[0])
		if err != nil {
			return err
		}
		return o.show(o.beside.name(args[0]), seenFrom(args[0], reviewed.Lint))
	}
	return c
}
