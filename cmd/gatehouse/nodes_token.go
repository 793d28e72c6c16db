package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// newNodesToken returns `gatehouse nodes token`.
func newNodesToken(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens by which Envoys of other hosts join",
		Long: `A token lets an Envoy of another host join one fleet: "gatehouse nodes join" shows it once
and gets a certificate, by which the Envoy is known from then on. The daemon keeps no token,
only its hash.`,
		Example: `  gatehouse nodes token create --fleet edge
  gatehouse nodes token list`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newTokenCreate(env), newTokenList(env), newTokenRevoke(env))
	return c
}

// tokenCreateOptions are what `gatehouse nodes token create` is told.
type tokenCreateOptions struct {
	env     surroundings
	daemon  daemon
	grant   admin.Grant
	expires time.Duration
	format  choice
}

func newTokenCreate(env surroundings) *cobra.Command {
	o := tokenCreateOptions{env: env, format: newChoice("text", "text", "json")}
	c := &cobra.Command{
		Use:   "create --fleet FLEET",
		Short: "Make a token, and print it this once",
		Long: `Makes a token and prints it. Who has it may join the fleet as often as --uses says until it
expires, so hand it over as you would a password. It also names the daemon's authority, so
that the Envoy's host knows whom to trust: nothing else has to be copied there.`,
		Example: `  gatehouse nodes token create --fleet edge
  gatehouse nodes token create --fleet edge --node edge-7 --expires 15m
  gatehouse nodes token create --fleet edge --uses 20 --expires 24h`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.grant.Fleet, "fleet", "", "the `FLEET` that Envoys join by it (required)")
	orEnvironment(f, "fleet", "GATEHOUSE_FLEET")
	f.StringVar(&o.grant.Node, "node", "", "the only `NAME` that may join by it (default: any)")
	f.IntVar(&o.grant.Uses, "uses", 1, "how many Envoys may join by it, as `NUMBER`")
	f.DurationVar(&o.expires, "expires", time.Hour, "`DURATION` after which it is worthless")
	o.format.add(c, "output", "o", "the token alone, or all about it")
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *tokenCreateOptions) run(ctx context.Context) error {
	switch {
	case o.grant.Fleet == "":
		return usageError{errors.New("name the fleet that Envoys join by the token: --fleet")}
	case o.grant.Uses < 1:
		return usageError{fmt.Errorf("--uses: a token for %d Envoys lets nobody in", o.grant.Uses)}
	case o.expires <= 0:
		return usageError{fmt.Errorf("--expires: a token that expires after %s lets nobody in", o.expires)}
	}
	o.grant.Expires = o.expires.String()
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	made, err := client.CreateToken(ctx, o.grant)
	if err != nil {
		return away(err)
	}
	if o.format.value == "json" {
		return o.format.write(o.env.stdout, made, nil)
	}
	_, err = fmt.Fprintln(o.env.stdout, made.Text)
	fmt.Fprintf(o.env.stderr, "Token %s: %d left, until %s. It is not shown again.\n", made.ID, made.Uses, made.Expires.UTC().Format(time.RFC3339))
	return err
}

// tokenListOptions are what `gatehouse nodes token list` is told.
type tokenListOptions struct {
	env    surroundings
	daemon daemon
	format *choice
}

func newTokenList(env surroundings) *cobra.Command {
	o := tokenListOptions{env: env}
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tokens there are, without their secrets",
		Args:  noWords,
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *tokenListOptions) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	tokens, err := client.Tokens(ctx)
	if err != nil {
		return away(err)
	}
	err = o.format.write(o.env.stdout, tokens, func(w io.Writer) error {
		if len(tokens) > 0 {
			fmt.Fprintln(w, "TOKEN\tFLEET\tNODE\tSTATE\tLEFT\tEXPIRES")
		}
		for _, t := range tokens {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", t.ID, t.Fleet, dash(t.Node), t.State, t.Uses, t.Expires.UTC().Format(time.RFC3339))
		}
		return nil
	})
	if err == nil && len(tokens) == 0 && o.format.value == "table" {
		fmt.Fprintln(o.env.stderr, "there are no tokens")
	}
	return err
}

func newTokenRevoke(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:   "revoke TOKEN",
		Short: "Make a token worthless; Envoys that have joined by it stay",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the token to revoke, as \"gatehouse nodes token list\" does")
			}
			return nil
		},
	}
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		return away(client.RevokeToken(c.Context(), args[0]))
	}
	return c
}
