package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// rollbackOptions are what `gatehouse rollback` is told.
type rollbackOptions struct {
	changeOptions
	dryRun bool
}

// newRollback returns `gatehouse rollback`.
func newRollback(env surroundings) *cobra.Command {
	o := rollbackOptions{changeOptions: changeOptions{env: env}}
	c := &cobra.Command{
		Use:   "rollback REV",
		Short: "Go back to an older configuration",
		Long: `Makes the content of an older entry of the history the configuration again, as a new entry,
and prints what that changes. Only the configuration goes back: endpoints that were pushed
since, rotated keys and renewed certificates stay as they are.`,
		Example: `  gatehouse rollback 41 --dry-run
  gatehouse rollback 41 --message "payments answers 500" --wait`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("rollback takes one number of the history: \"gatehouse history\" tells them")
			}
			return nil
		},
		ValidArgsFunction: completeRevs(env, 1),
	}
	o.add(c)
	addDryRun(c, &o.dryRun)
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) }
	return c
}

// addDryRun adds the flag --dry-run.
func addDryRun(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "dry-run", false, "only tell what would change: exit code 2 if something would, 0 if not")
}

func (o *rollbackOptions) run(ctx context.Context, word string) error {
	number, err := parseRev(word)
	if err != nil {
		return err
	}
	if number == 0 {
		return usageError{errors.New("what is live is live: name an older entry, as \"gatehouse history\" tells them")}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	back := admin.Rollback{Entry: number, Message: o.message, DryRun: o.dryRun}
	applied, err := client.Rollback(ctx, back)
	if faulty, ok := errors.AsType[*admin.FaultyError](err); ok {
		return o.faulty(&admin.Plan{Faults: faulty.Faults}, nil, fmt.Sprintf("entry %d cannot be used any more", number))
	}
	if err != nil {
		return refusedChange(err)
	}
	if o.format.value == "table" || o.dryRun {
		if err := o.printPlan(&applied.Plan, nil); err != nil {
			return err
		}
	}
	changes := differs(&applied.Plan)
	if changes || o.dryRun {
		o.sum(&applied.Plan)
	}
	switch {
	case o.dryRun && changes:
		return changesError{}
	case o.dryRun:
		return nil
	}
	return o.became(ctx, client, &applied)
}
