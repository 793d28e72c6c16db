package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// nodesOptions are what `gatehouse nodes` is told.
type nodesOptions struct {
	env    surroundings
	daemon daemon
	fleet  string
	watch  bool
	format *choice
}

// newNodes returns `gatehouse nodes`.
func newNodes(env surroundings) *cobra.Command {
	o := nodesOptions{env: env}
	c := &cobra.Command{
		Use:   "nodes",
		Short: "Tell which Envoys there are, and what each has acknowledged or refused",
		Long: `Asks the running daemon for every Envoy it knows. A node is

  synced           it has acknowledged all that it should have
  behind           something is on its way, or not acknowledged yet
  refused          it has refused something; Envoy's words stand below
  refused (local)  it has, and others of its Envoy version accepted the same
  waiting          its fleet has no configuration
  disconnected     it has gone

WANTED and HAS are number and content of the history entries that the node should have and
has acknowledged whole; AGE is how old the latter is. SENT is what it was sent since it came,
SINCE is when it came or went. BOOT is the version of its bootstrap. -o json has all of it in
full. What nodes refuse stands below the table, with the documents it comes from.

With --watch the table is written again whenever something changes, until Ctrl-C.`,
		Example: `  gatehouse nodes
  gatehouse nodes --watch
  gatehouse nodes --fleet edge -o json`,
		Args: unknownVerb,
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	addWatch(c, &o.watch, "Ctrl-C")
	c.Flags().StringVar(&o.fleet, "fleet", "", "only this `FLEET`")
	orEnvironment(c.Flags(), "fleet", "GATEHOUSE_FLEET")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	c.AddCommand(newNodesShow(env), newNodesDrain(env), newNodesRetry(env), newNodesJoin(env), newNodesRenew(env), newNodesToken(env), newNodesAuthority(env), newNodesRevoke(env), newNodesCertificates(env))
	return c
}

func (o *nodesOptions) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	return watched[[]admin.Node]{
		watch: o.watch,
		ask:   func(ctx context.Context) ([]admin.Node, error) { return client.Nodes(ctx, o.fleet) },
		show:  o.print,
	}.run(ctx)
}

// print writes the table, and beside it what it has no room for.
func (o *nodesOptions) print(nodes []admin.Node) error {
	err := o.format.write(o.env.stdout, nodes, func(w io.Writer) error {
		nodesTable(w, nodes, time.Now())
		return nil
	})
	if err != nil || o.format.value != "table" {
		return err
	}
	if len(nodes) == 0 {
		fmt.Fprintln(o.env.stderr, "no Envoy has come yet")
	}
	comment(o.env.stderr, nodes)
	return nil
}

// short returns as much of a content id as a person needs.
func short(id string) string {
	const enough = 12
	return dash(id[:min(len(id), enough)])
}

// dash stands for nothing in a table.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
