package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// newNodesRetry returns `gatehouse nodes retry`.
func newNodesRetry(env surroundings) *cobra.Command {
	o := nodeOptions{env: env}
	c := &cobra.Command{
		Use:   "retry NODE",
		Short: "Send an Envoy once more what it refused",
		Long: `Sends an Envoy once more what it refused. What an Envoy has refused is not sent again by itself as
long as it stays the same: it would be refused again. Where the reason was the Envoy's own, such
as a port that was taken, and is gone, this tells Gatehouse so.`,
		Example: "  gatehouse nodes retry edge/edge-1",
		Args:    oneNode,
	}
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, args []string) error { return o.retry(c.Context(), args[0]) }
	return c
}

func (o *nodeOptions) retry(ctx context.Context, named string) error {
	node, client, err := o.find(ctx, named)
	if err != nil {
		return err
	}
	if err := client.Retry(ctx, node.Fleet, node.Name); err != nil {
		return away(err)
	}
	fmt.Fprintf(o.env.stdout, "%s/%s is sent again what it refused; gatehouse nodes show %s/%s tells what became of it\n",
		node.Fleet, node.Name, node.Fleet, node.Name)
	return nil
}
