package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// changeOptions are what every verb that changes the configuration is told.
type changeOptions struct {
	env     surroundings
	daemon  daemon
	format  *choice
	message string
	wait    bool
	timeout time.Duration
}

// waitTimeout is how long --wait waits where nothing is said.
const waitTimeout = 15 * time.Minute

// add adds the flags to a verb.
func (o *changeOptions) add(c *cobra.Command) {
	o.daemon.add(c)
	o.format = newFormat(c)
	f := c.Flags()
	f.StringVarP(&o.message, "message", "m", "", "`TEXT` for the history: why")
	f.BoolVar(&o.wait, "wait", false, "wait until every Envoy has acknowledged the change; exit code 1 if its rollout stops")
	f.DurationVar(&o.timeout, "timeout", waitTimeout, "`DURATION` that --wait waits at most")
}

// checkPlan prints the faults of a plan that has any, and ends the verb then.
func (o *changeOptions) checkPlan(plan *admin.Plan, p *projectDir, what string) error {
	if len(plan.Faults) == 0 {
		return nil
	}
	return o.faulty(plan, p, what)
}

// faulty prints the faults of a plan.
func (o *changeOptions) faulty(plan *admin.Plan, p *projectDir, what string) error {
	err := o.format.write(o.env.stdout, plan, func(w io.Writer) error {
		for _, f := range plan.Faults {
			f.Place = p.seen(f.Place)
			fmt.Fprintln(w, f.Error())
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(o.env.failures, "gatehouse: %s: %s\n", what, count(len(plan.Faults), "fault"))
	return silentError{}
}

// printPlan prints what would change, and the summary beside it.
func (o *changeOptions) printPlan(plan *admin.Plan, p *projectDir) error {
	if o.format.value != "table" {
		return o.format.write(o.env.stdout, plan, nil)
	}
	printer := planPrinter{w: o.env.stdout, paint: o.env.paintFor(o.env.stdout), project: p}
	printer.plan(plan)
	return nil
}

// sum says in one line what a plan changes.
func (o *changeOptions) sum(plan *admin.Plan) {
	words := "nothing to change"
	if differs(plan) {
		words = summary(plan.Changes)
	}
	switch plan.Base {
	case 0:
		fmt.Fprintln(o.env.stderr, words)
	default:
		fmt.Fprintf(o.env.stderr, "%s; entry %d is live\n", words, plan.Base)
	}
}

// differs reports whether a plan would change anything.
func differs(plan *admin.Plan) bool {
	if len(plan.Changes) > 0 {
		return true
	}
	for _, f := range plan.Fleets {
		if len(f.Resources) > 0 {
			return true
		}
	}
	return false
}

// testsPassed returns an error where tests of policies of the source fail; other sources' are other people's.
func testsPassed(plan *admin.Plan, ignored bool) error {
	failed := 0
	for _, t := range plan.Tests {
		if !t.Passed && t.Place.Source == plan.Source {
			failed++
		}
	}
	if failed == 0 || ignored {
		return nil
	}
	return fmt.Errorf("%s of the policies failed: see above", count(failed, "test"))
}

// apply applies exactly what was planned, says what became of it, and waits where that is asked for.
func (o *changeOptions) apply(ctx context.Context, client *admin.Client, proposal admin.Proposal, p *projectDir) error {
	applied, err := client.Apply(ctx, proposal)
	if len(applied.Plan.Faults) > 0 {
		return o.faulty(&applied.Plan, p, "refused")
	}
	if err != nil {
		return refusedChange(err)
	}
	return o.became(ctx, client, &applied)
}

// refusedChange adds to an error what helps.
func refusedChange(err error) error {
	if errors.Is(err, admin.ErrConflict) {
		return fmt.Errorf("%w\n  Nothing was applied. Plan again, and look at what changed meanwhile: \"gatehouse history\"", err)
	}
	return away(err)
}

// became says what became of a change, and waits where that is asked for.
func (o *changeOptions) became(ctx context.Context, client *admin.Client, applied *admin.Applied) error {
	if o.format.value != "table" {
		if err := o.format.write(o.env.stdout, applied, nil); err != nil {
			return err
		}
	}
	switch {
	case !applied.Made:
		fmt.Fprintf(o.env.stderr, "nothing to change: entry %d is what was asked for\n", applied.Entry)
	case applied.State == "held":
		fmt.Fprintf(o.env.stderr, "entry %d is held: %s; \"gatehouse confirm %d\" rolls it out\n", applied.Entry, applied.Plan.Held, applied.Entry)
	default:
		fmt.Fprintf(o.env.stderr, "entry %d is %s\n", applied.Entry, applied.State)
	}
	if !o.wait {
		return nil
	}
	waiting := waiter{env: o.env, client: client, entry: applied.Entry, timeout: o.timeout}
	return waiting.run(ctx)
}
