package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// whyOptions are what `gatehouse why` is told.
type whyOptions struct {
	env     surroundings
	daemon  daemon
	format  *choice
	request string
}

// newWhy returns `gatehouse why`.
func newWhy(env surroundings) *cobra.Command {
	o := whyOptions{env: env}
	c := &cobra.Command{
		Use:   "why REQUEST_ID",
		Short: "Tell why a request was refused",
		Long: `Tells what was decided about a request, and why: by which route, for whom, by which policy,
limit or proof, and what may help. The id of the request is in the problem document of a
refusal, in the header x-request-id that an upstream gets, and in every record of decisions.

The running daemon is asked, which knows what it recorded: all that it decided itself, and
what Envoys refused by themselves, about a second later. Of several replicas it asks the others.`,
		Example: "  gatehouse why 6d7a5e9f-6b8c-4a53-9a15-8bd8e0f2d7a1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return errors.New("write the id of one request, as a problem document or the header x-request-id has it")
			}
			return nil
		},
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.request = args[0]
		return o.run(c.Context())
	}
	return c
}

func (o *whyOptions) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	found, err := client.DecisionsOf(ctx, o.request)
	if err != nil {
		return away(err)
	}
	return o.format.write(o.env.stdout, found, func(w io.Writer) error {
		for _, s := range found.Why {
			fmt.Fprintf(w, "%s\t%s\n", s.About, s.Text)
		}
		return nil
	})
}
