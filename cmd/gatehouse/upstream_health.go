package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
)

// upstreamHealth is what `gatehouse upstream health` is told.
type upstreamHealth struct {
	env    surroundings
	daemon daemon
	fleet  string
	format *choice
}

// seen is how one Envoy sees an endpoint.
type seen struct {
	Node     string   `json:"node"`
	Upstream string   `json:"upstream"`
	Cluster  string   `json:"cluster"`
	Address  string   `json:"address"`
	Healthy  bool     `json:"healthy"`
	Troubles []string `json:"troubles,omitempty"`
	Active   uint64   `json:"active"`
	Priority int      `json:"priority"`
	Zone     string   `json:"zone,omitempty"`
}

// newUpstreamHealth returns `gatehouse upstream health`.
func newUpstreamHealth(env surroundings) *cobra.Command {
	o := upstreamHealth{env: env}
	c := &cobra.Command{
		Use:   "health [UPSTREAM]",
		Short: "Show how Envoys see the endpoints: healthy, failing their checks, or ejected",
		Long: `Asks the daemon which Envoys there are, and then each Envoy of this host, at its own admin
socket, how it sees the endpoints of an Upstream, or of all. Envoys see endpoints each for
itself. Those of other hosts cannot be asked from here: they are named, and the command is
run there.`,
		Example: `  gatehouse upstream health
  gatehouse upstream health shop -o json`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeUpstreams(env, 1),
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.Flags().StringVar(&o.fleet, "fleet", "", "only this `FLEET`")
	orEnvironment(c.Flags(), "fleet", "GATEHOUSE_FLEET")
	c.RunE = func(c *cobra.Command, words []string) error { return o.run(c.Context(), strings.Join(words, "")) }
	return c
}

func (o *upstreamHealth) run(ctx context.Context, upstream string) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	nodes, err := client.Nodes(ctx, o.fleet)
	if err != nil {
		return err
	}
	all := []seen{}
	for _, n := range nodes {
		if n.State == admin.Disconnected {
			continue
		}
		if n.Address != "unix" || n.Admin == "" {
			fmt.Fprintf(o.env.stderr, "%s/%s is on another host: ask there\n", n.Fleet, n.Name)
			continue
		}
		found, err := envoy.NewAdmin(n.Admin).Endpoints(ctx)
		if err != nil {
			fmt.Fprintf(o.env.stderr, "%s/%s: %v\n", n.Fleet, n.Name, err)
			continue
		}
		all = append(all, seenBy(n, found, upstream)...)
	}
	return o.format.write(o.env.stdout, all, func(w io.Writer) error {
		seenTable(w, all)
		return nil
	})
}

// seenBy returns what one node sees of an Upstream, or of all where upstream is empty. Clusters to Gatehouse itself are none.
func seenBy(n admin.Node, found []envoy.EndpointHealth, upstream string) []seen {
	var out []seen
	for _, e := range found {
		name, _, own := strings.Cut(e.Cluster, "~")
		if !own || upstream != "" && name != upstream {
			continue
		}
		out = append(out, seen{
			Node: n.Fleet + "/" + n.Name, Upstream: name, Cluster: e.Cluster, Address: e.Address, Healthy: len(e.Troubles) == 0,
			Troubles: e.Troubles, Active: e.Active, Priority: e.Priority, Zone: e.Zone,
		})
	}
	return out
}

func seenTable(w io.Writer, all []seen) {
	if len(all) > 0 {
		fmt.Fprintln(w, "NODE\tUPSTREAM\tENDPOINT\tHEALTH\tACTIVE\tPRIORITY\tZONE")
	}
	for _, s := range all {
		health := "healthy"
		if !s.Healthy {
			health = strings.Join(s.Troubles, ", ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", s.Node, s.Upstream, s.Address, health, s.Active, strconv.Itoa(s.Priority), dash(s.Zone))
	}
}
