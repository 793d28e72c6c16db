package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// newRollout returns `gatehouse rollout` with its verbs.
func newRollout(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "rollout",
		Short: "Tell how a change moves through a fleet, and pause, resume or abort it",
		Long: `A change goes out in waves: to 1 percent of a fleet's Envoys, to 25, then to all; in a
fleet of three or fewer to all at once. A wave passes when its Envoys have acknowledged
and, for 30 seconds, no gate broke: no refusal that counts against the change, no more 5xx
answers, denials or slow answers than elsewhere. A broken gate puts the wave back by itself.`,
		Example: `  gatehouse rollout status --watch
  gatehouse rollout pause edge
  gatehouse rollout abort`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRolloutStatus(env),
		newOrder(env, admin.Pause, "Begin no further wave", `Begins no further wave. The Envoys that have the change keep it, and a broken gate still
puts them back.`),
		newOrder(env, admin.Resume, "Let a paused rollout go on", `Lets a paused rollout go on. One that was paused for want of requests goes on without
waiting for more of them in its present wave.`),
		newOrder(env, admin.Abort, "End a rollout, and put its Envoys back", `Ends a rollout and gives its Envoys back what the others have. The same documents are not
rolled out again, unless "gatehouse confirm" says so.`))
	return c
}

// newOrder returns a verb that orders something about rollouts.
func newOrder(env surroundings, order admin.Order, short, long string) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use: string(order) + " [FLEET]", Short: short, Long: long,
		Example: fmt.Sprintf("  gatehouse rollout %s\n  gatehouse rollout %s edge", order, order),
		Args:    atMostOneFleet, ValidArgsFunction: completeFleets(env),
	}
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		return away(client.Order(c.Context(), order, firstOf(args)))
	}
	return c
}

// atMostOneFleet is the argument check of verbs about one fleet, or all.
func atMostOneFleet(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%s takes one fleet, or none for all: %q is one too many", c.Name(), args[1])
	}
	return nil
}

func firstOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// rolloutStatus is what `gatehouse rollout status` is told.
type rolloutStatus struct {
	env    surroundings
	daemon daemon
	watch  bool
	format *choice
}

func newRolloutStatus(env surroundings) *cobra.Command {
	o := rolloutStatus{env: env}
	c := &cobra.Command{
		Use:   "status [FLEET]",
		Short: "Tell how far rollouts are, and what they wait for",
		Long: `Tells of each fleet which entry of the history is on its way, or was last:

  rolling     a wave has it and is watched
  paused      no further wave begins; the reason stands below
  live        all Envoys have it
  refused     a gate broke, and all Envoys have the entry before again
  aborted     somebody ended it, and all Envoys have the entry before again
  superseded  a newer entry came before it was live

Entries that are held until somebody confirms them stand below. With --watch the table is
written again whenever it changes, until no rollout is under way.`,
		Example: `  gatehouse rollout status
  gatehouse rollout status edge --watch
  gatehouse rollout status -o json`,
		Args: atMostOneFleet, ValidArgsFunction: completeFleets(env),
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	addWatch(c, &o.watch, "no rollout is under way")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), firstOf(args)) }
	return c
}

func (o *rolloutStatus) run(ctx context.Context, fleet string) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	return watched[admin.Deliveries]{
		watch: o.watch,
		ask: func(ctx context.Context) (admin.Deliveries, error) {
			found, err := client.Rollouts(ctx)
			if err != nil {
				return found, err
			}
			if found = only(found, fleet); fleet != "" && len(found.Rollouts) == 0 {
				return found, fmt.Errorf("nothing has rolled out in a fleet %s: \"gatehouse rollout status\" tells of all there are", fleet)
			}
			return found, nil
		},
		more: underWay,
		show: o.print,
	}.run(ctx)
}

// only leaves one fleet, or all where it is "".
func only(all admin.Deliveries, fleet string) admin.Deliveries {
	if fleet == "" {
		return all
	}
	some := admin.Deliveries{Rollouts: []admin.Rollout{}, Held: all.Held}
	for _, r := range all.Rollouts {
		if r.Fleet == fleet {
			some.Rollouts = append(some.Rollouts, r)
		}
	}
	return some
}

func underWay(all admin.Deliveries) bool {
	for _, r := range all.Rollouts {
		if r.Ended.IsZero() {
			return true
		}
	}
	return false
}

// print writes the table, and beside it what it has no room for.
func (o *rolloutStatus) print(found admin.Deliveries) error {
	err := o.format.write(o.env.stdout, found, func(w io.Writer) error {
		if len(found.Rollouts) > 0 {
			fmt.Fprintln(w, "FLEET\tENTRY\tREVISION\tPHASE\tWAVE\tNODES\tWAITING")
		}
		for _, r := range found.Rollouts {
			have := len(r.Nodes)
			if r.Default == r.Entry {
				have = r.Known
			} else if !r.Ended.IsZero() {
				have = 0
			}
			waiting := ""
			if r.Waiting != nil {
				waiting = r.Waiting.Code
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d/%d\t%d/%d\t%s\n", r.Fleet, r.Entry, short(r.Revision), r.Phase, r.Wave, r.Waves, have, r.Known, dash(waiting))
		}
		return nil
	})
	if err != nil || o.format.value != "table" {
		return err
	}
	if len(found.Rollouts) == 0 {
		fmt.Fprintln(o.env.stderr, "nothing has rolled out yet")
	}
	for _, r := range found.Rollouts {
		for _, reason := range []*admin.Reason{r.Reason, r.Waiting} {
			if reason != nil {
				fmt.Fprintf(o.env.stderr, "%s: entry %d %s: %s\n", r.Fleet, r.Entry, r.Phase, reason.Text)
			}
		}
	}
	for _, h := range found.Held {
		fmt.Fprintf(o.env.stderr, "entry %d is held: %s; \"gatehouse confirm %d\" rolls it out\n", h.Entry, h.Reason, h.Entry)
	}
	return nil
}

// newConfirm returns `gatehouse confirm`.
func newConfirm(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:   "confirm REV",
		Short: "Roll out a change that is held, or was refused or aborted",
		Long: `A change that removes more than half of the routes or of the clusters, and at least ten of
them, or that leaves no Gateway, is held: nobody gets it until it is confirmed by its number
in the history, which "gatehouse rollout status" tells. A newer change takes its place.

The newest change may also be confirmed after it was refused or aborted: it is rolled out
again.`,
		Example: "  gatehouse confirm 42",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("confirm takes one number of the history: \"gatehouse rollout status\" tells which entries are held")
			}
			return nil
		},
	}
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		number, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || number < 1 {
			return usageError{fmt.Errorf("%q is no number of the history: write it as \"gatehouse rollout status\" does", args[0])}
		}
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		return away(client.Confirm(c.Context(), number))
	}
	return c
}
