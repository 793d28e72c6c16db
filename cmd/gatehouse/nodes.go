package main

import (
	"context"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// nodesOptions are what `gatehouse nodes` is told.
type nodesOptions struct {
	env    surroundings
	daemon daemon
	fleet  string
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
  disconnected     it has gone`,
		Example: `  gatehouse nodes
  gatehouse nodes --fleet edge -o json`,
		Args: unknownVerb,
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.Flags().StringVar(&o.fleet, "fleet", "", "only this `FLEET`")
	orEnvironment(c.Flags(), "fleet", "GATEHOUSE_FLEET")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	c.AddCommand(newNodesShow(env), newNodesDrain(env), newNodesRetry(env), newNodesJoin(env), newNodesRenew(env), newNodesToken(env), newNodesAuthority(env))
	return c
}

func (o *nodesOptions) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	nodes, err := client.Nodes(ctx, o.fleet)
	if err != nil {
		return away(err)
	}
	err = o.format.write(o.env.stdout, nodes, func(w io.Writer) error {
		if len(nodes) > 0 {
			fmt.Fprintln(w, "FLEET\tNODE\tSTATE\tENVOY\tREVISION\tACKNOWLEDGED\tSINCE")
		}
		for _, n := range nodes {
			since := n.Connected
			if !n.Disconnected.IsZero() {
				since = n.Disconnected
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.Fleet, n.Name, n.State, dash(n.Envoy), short(n.Revision), short(n.Acknowledged),
				since.UTC().Format(time.RFC3339))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if o.format.value == "table" {
		o.comment(nodes)
	}
	return nil
}

// comment says beside the table what it has no room for.
func (o *nodesOptions) comment(nodes []admin.Node) {
	if len(nodes) == 0 {
		fmt.Fprintln(o.env.stderr, "no Envoy has come yet")
	}
	for _, n := range nodes {
		if n.Warning != "" {
			fmt.Fprintf(o.env.stderr, "%s/%s: %s\n", n.Fleet, n.Name, n.Warning)
		}
		if r := n.LastRefusal; r != nil && (n.State == admin.Refused || n.State == admin.RefusedLocal) {
			fmt.Fprintf(o.env.stderr, "%s/%s refused at %s, %s: %s\n", n.Fleet, n.Name, r.Time.UTC().Format(time.RFC3339), path.Base(r.Type), r.Text)
			for _, s := range r.Suspects {
				if s.Named || r.Total == 1 {
					fmt.Fprintf(o.env.stderr, "  %s %s\n", s.Name, s.Origin)
				}
			}
		}
	}
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
