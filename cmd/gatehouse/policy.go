package main

import "github.com/spf13/cobra"

// newPolicy returns `gatehouse policy`, which works on policies.
func newPolicy(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Work on policies",
		Args:  unknownVerb,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPolicyTest(env), newPolicyCheck(env), newPolicyEval(env), newPolicyExplain(env), newPolicyBench(env), newPolicyDiff(env))
	return c
}
