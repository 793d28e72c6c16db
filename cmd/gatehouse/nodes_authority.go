package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// authorityOptions are what `gatehouse nodes authority` is told.
type authorityOptions struct {
	env    surroundings
	daemon daemon
	format *choice
}

// newNodesAuthority returns `gatehouse nodes authority`.
func newNodesAuthority(env surroundings) *cobra.Command {
	c := newAuthority(env, "authority", "Show the roots by which the daemon and Envoys of other hosts trust each other",
		`Shows the roots of the daemon's certificate authority. The active one signs; the next one is
trusted already and signs after the life of a certificate, when every Envoy knows it; a
retired one is trusted as long as something that it signed may be shown. The daemon makes the
next root by itself when the active one has a fifth of its life left.`,
		(*admin.Client).Roots)
	c.AddCommand(newAuthority(env, "rotate", "Make the next root; where there is one, let it sign",
		`Makes the authority's next root, which every Envoy gets to know with its next certificate.
Run again, it lets that root sign at once: Envoys that do not know it yet follow it from the
one they know.`,
		(*admin.Client).RotateRoot))
	return c
}

func newAuthority(env surroundings, use, short, long string, ask func(*admin.Client, context.Context) ([]admin.Root, error)) *cobra.Command {
	o := authorityOptions{env: env}
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: unknownVerb}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context(), ask) }
	return c
}

func (o *authorityOptions) run(ctx context.Context, ask func(*admin.Client, context.Context) ([]admin.Root, error)) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	roots, err := ask(client, ctx)
	if err != nil {
		return away(err)
	}
	return o.format.write(o.env.stdout, roots, func(w io.Writer) error {
		fmt.Fprintln(w, "ROOT\tSTATE\tSINCE\tEXPIRES")
		for _, r := range roots {
			since := "-"
			if !r.Changed.IsZero() {
				since = r.Changed.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.ID, dash(r.State), since, r.Expires.UTC().Format(time.RFC3339))
		}
		return nil
	})
}
