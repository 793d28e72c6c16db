package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// replicasOptions are what `gatehouse replicas` is told.
type replicasOptions struct {
	env    surroundings
	daemon daemon
	watch  bool
	format *choice
}

// newReplicas returns `gatehouse replicas`.
func newReplicas(env surroundings) *cobra.Command {
	o := replicasOptions{env: env}
	c := &cobra.Command{
		Use:   "replicas",
		Short: "Tell which daemons share the store, and which of them leads",
		Long: `Asks the running daemon for the daemons that share its store in PostgreSQL and gave a sign
of life within the last seconds: its replicas, itself first. ENTRY is the history entry that
each serves, NODES how many Envoys are connected to it, and ADDRESS where these reach it.

One of them leads: it moves rollouts, watches the directory of documents and fetches what
is observed. When it dies another does so within ten seconds; all else each does by itself.`,
		Example: `  gatehouse replicas
  gatehouse replicas --watch
  gatehouse replicas -o json`,
		Args: noWords,
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	addWatch(c, &o.watch, "Ctrl-C")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *replicasOptions) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	return watched[[]admin.Replica]{watch: o.watch, ask: client.Replicas, show: o.print}.run(ctx)
}

// print writes the table.
func (o *replicasOptions) print(all []admin.Replica) error {
	err := o.format.write(o.env.stdout, all, func(w io.Writer) error {
		if len(all) > 0 {
			fmt.Fprintln(w, "REPLICA\tROLE\tVERSION\tENTRY\tNODES\tADDRESS\tSEEN")
		}
		for _, r := range all {
			role, entry := "follows", ""
			if r.Entry > 0 {
				entry = strconv.FormatInt(r.Entry, 10)
			}
			if r.Leads {
				role = "leads"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.ID, role, dash(r.Version), dash(entry), r.Nodes,
				dash(r.Addresses["nodes"]), age(r.Seen, time.Now()))
		}
		return nil
	})
	if err == nil && len(all) == 0 && o.format.value == "table" {
		fmt.Fprintln(o.env.stderr, "the daemon shares its store with nobody: \"gatehouse serve --store\" names one that several can")
	}
	return err
}
