package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/envoy"
)

// drainOptions are what `gatehouse nodes drain` is told.
type drainOptions struct {
	nodeOptions
	wait time.Duration
	undo bool
}

// newNodesDrain returns `gatehouse nodes drain`.
func newNodesDrain(env surroundings) *cobra.Command {
	o := drainOptions{nodeOptions: nodeOptions{env: env}}
	c := &cobra.Command{
		Use:   "drain NODE",
		Short: "Take an Envoy out of service without losing a request",
		Long: `Makes an Envoy say that it drains: the path that its Gateway names under health answers 503, so
that whoever balances load stops sending, and every answer asks the client to close its
connection. Requests are served all the same. The Envoy is asked through its admin socket, so
this runs on its machine. With --wait it ends when no client is connected any more.`,
		Example: `  gatehouse nodes drain edge-1 --wait 30s
  gatehouse nodes drain edge-1 --undo`,
		Args: oneNode,
	}
	o.add(c)
	c.Flags().DurationVar(&o.wait, "wait", 0, "wait at most this long until no client is connected")
	c.Flags().BoolVar(&o.undo, "undo", false, "take it into service again")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) }
	return c
}

func (o *drainOptions) run(ctx context.Context, named string) error {
	node, _, err := o.find(ctx, named)
	if err != nil {
		return err
	}
	asked, socket, err := o.envoyAdmin(&node.Node)
	if err != nil {
		return err
	}
	order, word := "/healthcheck/fail", "drains"
	if o.undo {
		order, word = "/healthcheck/ok", "serves"
	}
	if err := asked.Post(ctx, order); err != nil {
		return unreachable(socket, err)
	}
	fmt.Fprintf(o.env.stdout, "%s/%s %s\n", node.Fleet, node.Name, word)
	if o.undo || o.wait <= 0 {
		return nil
	}
	return o.await(ctx, asked)
}

// await waits until no client is connected.
func (o *drainOptions) await(ctx context.Context, asked *envoy.Admin) error {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	tick := time.NewTicker(min(o.wait, 200*time.Millisecond))
	defer tick.Stop()
	for {
		connected, err := asked.Connections(ctx)
		switch {
		case err == nil && connected == 0:
			fmt.Fprintln(o.env.stdout, "no client is connected")
			return nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s clients are still connected: %d", o.wait, connected)
		}
	}
}
