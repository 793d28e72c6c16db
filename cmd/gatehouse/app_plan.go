package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// newAppPlan returns `gatehouse app plan`.
func newAppPlan(env surroundings) *cobra.Command {
	var d daemon
	var none bool
	c := &cobra.Command{
		Use:   "plan APP [PLAN]",
		Short: "Give an application a plan, or take it away",
		Long: `Gives an application a plan in the place of the one it has. All of its keys call APIs by it
within a second, on all daemons that share a store: limits with "key: plan" or "when: {plans: ...}"
count by it, policies see it as input.gatehouse.identity.plan, upstreams as x-gatehouse-plan. A plan
is a name that documents of limits spell; nothing else has to know it.`,
		Example: `  gatehouse app plan till gold
  gatehouse app plan till --none`,
		ValidArgsFunction: completeApps(env),
	}
	c.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 2 && !none && args[1] != "", len(args) == 1 && none:
			return nil
		}
		return errors.New("name one application, and its plan or --none")
	}
	c.Flags().BoolVar(&none, "none", false, "it has no plan from now on")
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		plan := ""
		if !none {
			plan = args[1]
		}
		changed, err := client.SetPlan(c.Context(), args[0], plan)
		if err != nil {
			return away(err)
		}
		return format.write(env.stdout, changed, func(w io.Writer) error { return applicationTable(w, changed) })
	}
	return c
}
