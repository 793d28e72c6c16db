package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// applyOptions are what `gatehouse apply` is told.
type applyOptions struct {
	changeOptions
	proposal proposalOptions
	yes      bool

	ignoreTests bool
}

// newApply returns `gatehouse apply`.
func newApply(env surroundings) *cobra.Command {
	o := applyOptions{changeOptions: changeOptions{env: env}}
	c := &cobra.Command{
		Use:   "apply DIR | PLANFILE",
		Short: "Change the configuration to what a directory or a plan says",
		Long: `Plans a directory of documents, prints the plan as "gatehouse plan" does, asks on a terminal
whether it is meant, and applies exactly that: if somebody else changes the configuration
in between, nothing is applied. A file that "gatehouse plan -o" wrote is applied as it was
planned, or not at all.

Each change is an entry of the history, and rolls out as "gatehouse rollout" tells. To apply
once more what is live changes nothing and makes no entry. Nothing is applied where a test
of the directory's policies fails. With --wait the verb ends when every Envoy has
acknowledged.`,
		Example: `  gatehouse apply documents --message "Two more upstreams" --wait
  gatehouse plan documents -o change.plan; gatehouse apply change.plan`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name the directory that holds the documents, or a plan")
			}
			return oneDirectory(c, args)
		},
	}
	o.add(c)
	o.proposal.add(c)
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask whether it is meant")
	c.Flags().BoolVar(&o.ignoreTests, "ignore-tests", false, "apply even though tests of policies fail")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) }
	return c
}

func (o *applyOptions) run(ctx context.Context, named string) error {
	if info, err := os.Stat(named); err != nil || !info.IsDir() {
		return o.planned(ctx, named)
	}
	p, proposal, err := o.proposal.propose(named)
	if err != nil {
		return err
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	plan, err := client.Plan(ctx, proposal)
	if err != nil {
		return away(err)
	}
	if err := o.checkPlan(&plan, p, named); err != nil {
		return err
	}
	proposal.Base, proposal.Result = plan.Base, plan.Result
	return o.confirmed(ctx, client, proposal, &plan, p)
}

// planned applies a plan that was kept.
func (o *applyOptions) planned(ctx context.Context, file string) error {
	kept, err := readPlanFile(file)
	if err != nil {
		return err
	}
	if o.proposal != (proposalOptions{}) {
		return usageError{errors.New("a plan says itself what it prunes, takes over and whose it is: say so to \"gatehouse plan\"")}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	live, err := client.Entry(ctx, 0)
	switch {
	case errors.Is(err, admin.ErrNotFound): // Nothing is live yet.
	case err != nil:
		return away(err)
	case live.Content == kept.Plan.Result: // Whoever applied it: this is what was planned.
		return o.became(ctx, client, &admin.Applied{Entry: live.Number, State: live.State, Plan: kept.Plan})
	}
	return o.confirmed(ctx, client, kept.Proposal, &kept.Plan, &projectDir{dir: kept.Dir, source: kept.Proposal.Source})
}

// confirmed prints the plan, asks whether it is meant, and applies it.
func (o *applyOptions) confirmed(ctx context.Context, client *admin.Client, proposal admin.Proposal, plan *admin.Plan, p *projectDir) error {
	if o.format.value == "table" {
		if err := o.printPlan(plan, p); err != nil {
			return err
		}
	}
	if err := testsPassed(plan, o.ignoreTests); err != nil {
		return err
	}
	if differs(plan) {
		o.sum(plan)
		if err := o.ask(); err != nil {
			return err
		}
	}
	proposal.Message = o.message
	return o.apply(ctx, client, proposal, p)
}

// ask asks a person whether the change is meant. Nobody else is asked.
func (o *applyOptions) ask() error {
	if o.yes || !o.env.terminal(o.env.stdin) {
		return nil
	}
	fmt.Fprint(o.env.failures, "Apply this? Only \"yes\" does: ")
	answer, err := bufio.NewReader(o.env.stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was applied")
	}
	return nil
}
