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
	"github.com/gatehouse/gatehouse/authz/keys"
)

// newKey returns `gatehouse key`.
func newKey(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make, list, rotate and revoke API keys",
		Long: `An application shows an API key where an API asks for one. The key is shown once, when it is
made; the store keeps only an HMAC-SHA-256 of its secret. A new key counts, and a revoked one
counts no more, within a second on all daemons that share a store.`,
		Example: `  gatehouse key create till --scope payments:read --expires 2160h
  gatehouse key list --app till`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newKeyCreate(env), newKeyList(env), newKeyRotate(env), newKeyRevoke(env))
	return c
}

// keyCreateOptions are what `gatehouse key create` is told.
type keyCreateOptions struct {
	env     surroundings
	daemon  daemon
	app     admin.ApplicationGrant
	fresh   bool // Make the application where there is none.
	grant   admin.KeyGrant
	expires time.Duration
	format  choice
}

func newKeyCreate(env surroundings) *cobra.Command {
	o := keyCreateOptions{env: env, format: keyFormat()}
	c := &cobra.Command{
		Use:   "create APP",
		Short: "Make an API key of an application, and print it this once",
		Long: `Makes an API key of an application and prints it, on a line of its own. It may do what its
scopes say, and counts from the addresses given, or from everywhere. An application may have
several: so each of its places has its own, and one is replaced while the other still counts.`,
		Example: `  gatehouse key create till --scope payments:read --address 10.0.0.0/8 --expires 2160h
  gatehouse key create try-out --new-app`,
		Args:              oneApp(),
		ValidArgsFunction: completeApps(env),
	}
	f := c.Flags()
	f.BoolVar(&o.fresh, "new-app", false, "make the application, too, where there is none")
	f.StringVar(&o.app.Team, "team", "", "with --new-app the `TEAM` whose it is; without it a member's own")
	f.StringVar(&o.grant.Name, "name", "", "`NAME` that says what the key is for")
	f.StringArrayVar(&o.grant.Scopes, "scope", nil, "`SCOPE` that it has; may be repeated")
	f.StringArrayVar(&o.grant.Addresses, "address", nil, "`ADDRESS` or network of clients from which alone it counts; may be repeated")
	f.DurationVar(&o.expires, "expires", 0, "`DURATION` after which it is worthless; without it, it does not end by itself")
	o.format.add(c, "output", "o", "the key alone, or all about it")
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.app.ID = args[0]
		if o.app.Team != "" && !o.fresh {
			return usageError{errors.New("--team is for an application that is made: say --new-app, too")}
		}
		return o.run(c.Context())
	}
	return c
}

func (o *keyCreateOptions) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	if o.expires != 0 {
		o.grant.Expires = o.expires.String()
	}
	made, err := client.CreateKey(ctx, o.app.ID, o.grant)
	if o.fresh && errors.Is(err, admin.ErrNotFound) {
		if _, err := client.CreateApplication(ctx, o.app); err != nil {
			return away(err)
		}
		made, err = client.CreateKey(ctx, o.app.ID, o.grant)
	}
	if err != nil {
		return away(err)
	}
	return printKey(o.env, o.format, made)
}

// keyFormat is the flag -o of verbs that make a key.
func keyFormat() choice { return newChoice("text", "text", "json", "yaml") }

// printKey prints a new key, which is not shown again.
func printKey(env surroundings, format choice, made admin.CreatedKey) error {
	if format.value != "text" {
		return format.write(env.stdout, made, nil)
	}
	_, err := fmt.Fprintln(env.stdout, made.Text)
	fmt.Fprintf(env.stderr, "Key %s of %s, %s. It is not shown again.\n", made.ID, made.Application, ending(made.Expires))
	return err
}

// ending tells when something ends.
func ending(at time.Time) string {
	if at.IsZero() {
		return "without end"
	}
	return "until " + at.UTC().Format(time.RFC3339)
}

func newKeyList(env surroundings) *cobra.Command {
	var d daemon
	var q admin.KeyQuery
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the API keys there are, without their secrets",
		Long:    "Lists the API keys there are, by id. When one was used last is told to some minutes.",
		Example: "  gatehouse key list --app till",
		Args:    noWords,
	}
	c.Flags().StringVar(&q.Application, "app", "", "only keys of this `APP`")
	c.Flags().StringVar(&q.Team, "team", "", "only keys of applications of this `TEAM`")
	completeFlag(c, "app", completeApps(env))
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		all, err := client.Keys(c.Context(), q)
		if err != nil {
			return away(err)
		}
		if len(all) == 0 && format.value == "table" {
			fmt.Fprintln(env.stderr, "there are no API keys")
			return nil
		}
		return format.write(env.stdout, all, func(w io.Writer) error { return keyTable(w, all) })
	}
	return c
}

// keyTable prints keys for people.
func keyTable(w io.Writer, all []admin.APIKey) error {
	fmt.Fprintln(w, "KEY\tAPP\tNAME\tSCOPES\tFROM\tSTATE\tEXPIRES\tUSED\tBY")
	for i := range all {
		k := &all[i]
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Application, dashed(k.Name), dashed(strings.Join(k.Scopes, " ")),
			dashed(strings.Join(k.Addresses, " ")), k.State, dashedTime(k.Expires), dashedTime(k.Used), k.Author); err != nil {
			return err
		}
	}
	return nil
}

// dashed is a cell of a table that is never empty.
func dashed(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func dashedTime(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

func newKeyRotate(env surroundings) *cobra.Command {
	var d daemon
	var overlap, expires time.Duration
	format := keyFormat()
	c := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Make an API key in the place of another, and print it this once",
		Long: `Makes an API key with the application, name, scopes and addresses of another, and prints it.
The other one ends at once, or after --overlap.`,
		Example: "  gatehouse key rotate qs4mbtfwz3nnx2eu --overlap 24h",
		Args:    oneKey,
	}
	c.Flags().DurationVar(&overlap, "overlap", 0, "`DURATION` for which the old one still counts")
	c.Flags().DurationVar(&expires, "expires", 0, "`DURATION` after which the new one is worthless; without it, it does not end by itself")
	format.add(c, "output", "o", "the key alone, or all about it")
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		r := admin.KeyRotation{Overlap: overlap.String()}
		if expires != 0 {
			r.Expires = expires.String()
		}
		made, err := client.RotateKey(c.Context(), args[0], r)
		if err != nil {
			return away(err)
		}
		return printKey(env, format, made)
	}
	return c
}

func newKeyRevoke(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:     "revoke KEY",
		Short:   "Make an API key worthless, at once",
		Long:    "Makes an API key worthless: at once for the daemon that is asked, within a second for all that share its store.",
		Example: "  gatehouse key revoke qs4mbtfwz3nnx2eu",
		Args:    oneKey,
	}
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		return away(client.RevokeKey(c.Context(), args[0]))
	}
	return c
}

// oneKey is the argument check of verbs about one key. Who gives the whole of it is warned before it is in a URL.
func oneKey(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New(`name one API key, as "gatehouse key list" does`)
	}
	if strings.HasPrefix(args[0], keys.Prefix) {
		return errors.New(`name the API key by its id, as "gatehouse key list" does, not by its secret`)
	}
	return nil
}
