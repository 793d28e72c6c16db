package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/posture"
)

// newPosture returns `gatehouse posture`.
func newPosture(env surroundings) *cobra.Command {
	o := findingsOptions{env: env, rules: posture.Security}
	c := &cobra.Command{
		Use:   "posture DIR",
		Short: "Say what is unsafe in a directory of documents",
		Long: `Looks over a directory of documents that is without fault by the rules of security:
operations that anybody may call, hosts without TLS, policies that fail open, certificates
that expire, teams that nothing keeps apart.

  FILE:LINE:COLUMN: RULE: SEVERITY: what is so. What to do.

docs/posture.md lists the rules. What is accepted stands in .gatehouse/waivers.yaml, with a
reason and until when. Exit codes: 0 nothing at or above --fail-on, 2 something, 1 faults.`,
		Example: `  gatehouse posture examples/quickstart
  gatehouse posture -o junit --fail-on warning . > posture.xml`,
		Args: oneDirectory,
	}
	o.add(c, posture.High)
	c.RunE = func(_ *cobra.Command, args []string) error {
		reviewed, err := o.review(args[0])
		if err != nil {
			return err
		}
		return o.show(args[0], seenFrom(args[0], reviewed.Posture))
	}
	return c
}
