package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// revokeOptions are what `gatehouse nodes revoke` is told.
type revokeOptions struct {
	nodeOptions
	wish   admin.RevocationWish
	before string
}

// newNodesRevoke returns `gatehouse nodes revoke`.
func newNodesRevoke(env surroundings) *cobra.Command {
	o := revokeOptions{nodeOptions: nodeOptions{env: env}}
	c := &cobra.Command{
		Use:   "revoke NODE",
		Short: "Make the certificates of an Envoy of another host worthless",
		Long: `Makes every certificate that a node was given until now worthless, at all replicas within a
second: its connections end, no service answers it, and it can renew nothing. It may join anew,
by a token: revoke the tokens that it may still know too ("gatehouse nodes token list").

With --serial one certificate is revoked, as "gatehouse nodes certificates" lists them. What the
Envoy has stays in it, and it serves on until somebody stops it.`,
		Example: `  gatehouse nodes revoke edge/edge-7 --reason "its host was stolen"
  gatehouse nodes revoke edge/edge-7 --serial 1f3a...`,
		Args: oneNode,
	}
	o.daemon.add(c)
	f := c.Flags()
	f.StringVar(&o.wish.Serial, "serial", "", "only this certificate, by its `SERIAL`")
	f.StringVar(&o.before, "before", "", "only what was issued until this `TIME` (default: now)")
	f.StringVar(&o.wish.Reason, "reason", "", "why, as `TEXT`")
	c.RunE = func(c *cobra.Command, args []string) error { return o.revoke(c.Context(), args[0]) }
	return c
}

func (o *revokeOptions) revoke(ctx context.Context, named string) error {
	if o.wish.Serial != "" && o.before != "" {
		return usageError{errors.New("name one certificate by --serial, or all until a time by --before")}
	}
	var err error
	if o.wish.Before, err = pointInTime(o.before, o.env.now()); err != nil {
		return usageError{fmt.Errorf("--before: %w", err)}
	}
	fleet, node, whole := strings.Cut(named, "/")
	var client *admin.Client
	if whole { // It need not be known any more.
		client, err = o.daemon.dial(o.env)
	} else {
		var found admin.NodeDetail
		found, client, err = o.find(ctx, named)
		fleet, node = found.Fleet, found.Name
	}
	if err != nil {
		return err
	}
	made, err := client.RevokeNode(ctx, fleet, node, o.wish)
	if err != nil {
		return away(err)
	}
	what := "every certificate issued until " + made.Before.UTC().Format(time.RFC3339)
	if made.Serial != "" {
		what = "certificate " + made.Serial
	}
	fmt.Fprintf(o.env.stdout, "%s/%s: %s is worthless\n", made.Fleet, made.Node, what)
	return o.hint(ctx, client, fleet, node)
}

// hint names the tokens by which the node could join again.
func (o *revokeOptions) hint(ctx context.Context, client *admin.Client, fleet, node string) error {
	tokens, err := client.Tokens(ctx)
	if err != nil {
		return away(err)
	}
	for _, t := range tokens {
		if t.State == "open" && t.Fleet == fleet && (t.Node == "" || t.Node == node) {
			fmt.Fprintf(o.env.stderr, "token %s still lets it join: \"gatehouse nodes token revoke %s\" ends that\n", t.ID, t.ID)
		}
	}
	return nil
}

// certificatesOptions are what `gatehouse nodes certificates` is told.
type certificatesOptions struct {
	env         surroundings
	daemon      daemon
	fleet, node string
	format      *choice
}

// newNodesCertificates returns `gatehouse nodes certificates`.
func newNodesCertificates(env surroundings) *cobra.Command {
	o := certificatesOptions{env: env}
	c := &cobra.Command{
		Use:   "certificates [FLEET/NODE]",
		Short: "List the certificates that Envoys of other hosts were given",
		Long: `Lists the certificates that nodes were given, those issued last first: until when each is good,
by which token the node joined, and whether it is revoked. They are listed for a month after
their end.`,
		Example: `  gatehouse nodes certificates
  gatehouse nodes certificates edge/edge-7 -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !strings.Contains(args[0], "/") {
				return errors.New("write one node, such as edge/edge-1, or none for all")
			}
			return nil
		},
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			o.fleet, o.node, _ = strings.Cut(args[0], "/")
		}
		return o.run(c.Context())
	}
	return c
}

func (o *certificatesOptions) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	all, err := client.Certificates(ctx, o.fleet, o.node)
	if err != nil {
		return away(err)
	}
	if len(all) == 0 && o.format.value == "table" {
		fmt.Fprintln(o.env.stderr, "no certificates were given")
		return nil
	}
	return o.format.write(o.env.stdout, all, func(w io.Writer) error {
		fmt.Fprintln(w, "NODE\tSERIAL\tISSUED\tEXPIRES\tBY\tREVOKED")
		for _, c := range all {
			by, revoked := "renewal", ""
			if c.Token != "" {
				by = "token " + c.Token
			}
			if !c.Revoked.IsZero() {
				revoked = c.Revoked.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s/%s\t%s\t%s\t%s\t%s\t%s\n", c.Fleet, c.Node, c.Serial, c.Issued.UTC().Format(time.RFC3339),
				c.Expires.UTC().Format(time.RFC3339), by, dash(revoked))
		}
		return nil
	})
}
