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

// newAccess returns `gatehouse access`.
func newAccess(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "access",
		Short: "Make, list, rotate and revoke access tokens of the management API",
		Long: `An access token proves over TCP who asks the management API, and with which role: viewer,
member of a team, operator or admin. It expires. It is shown once, when it is made; the
daemon keeps only its hash. Through the Unix socket the user counts, and no token is needed.`,
		Example: `  gatehouse access create ci --role member --team payments --source payments
  gatehouse access list`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAccessCreate(env), newAccessList(env), newAccessRotate(env), newAccessRevoke(env), newAccessWhoami(env))
	return c
}

// accessCreateOptions are what `gatehouse access create` is told.
type accessCreateOptions struct {
	env     surroundings
	daemon  daemon
	grant   admin.AccessGrant
	role    choice
	expires time.Duration
	format  choice
}

func newAccessCreate(env surroundings) *cobra.Command {
	o := accessCreateOptions{env: env, role: newChoice("viewer", "viewer", "member", "operator", "admin"), format: newChoice("text", "text", "json")}
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an access token, and print it this once",
		Long: `Makes an access token and prints it. Its name stands in the history and in the audit beside
what is done with it. Give it to nobody else than whom it is for, and only what is needed:
with --read-only it changes nothing, with --source no other source.`,
		Example: `  gatehouse access create ci --role member --team payments --source payments --expires 720h
  gatehouse access create dashboard --role viewer`,
		Args: oneName("name whom or what the token is for"),
	}
	f := c.Flags()
	o.role.add(c, "role", "", "what it may do")
	f.StringVar(&o.grant.Team, "team", "", "the `TEAM` of a member")
	f.BoolVar(&o.grant.ReadOnly, "read-only", false, "it changes nothing, whatever the role")
	f.StringVar(&o.grant.Source, "source", "", "the only `SOURCE` that it changes")
	f.DurationVar(&o.expires, "expires", 90*24*time.Hour, "`DURATION` after which it is worthless, a year at most")
	o.format.add(c, "output", "o", "the token alone, or all about it")
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.grant.Name = args[0]
		return o.run(c.Context())
	}
	return c
}

func (o *accessCreateOptions) run(ctx context.Context) error {
	o.grant.Role, o.grant.Expires = admin.Role(o.role.value), o.expires.String()
	if err := checkRole(o.grant.Role, o.grant.Team); err != nil {
		return usageError{fmt.Errorf("--role %s, --team %q: %w", o.grant.Role, o.grant.Team, err)}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	made, err := client.CreateAccess(ctx, o.grant)
	if err != nil {
		return away(err)
	}
	return printAccess(o.env, o.format, made)
}

// printAccess prints a new access token, which is not shown again.
func printAccess(env surroundings, format choice, made admin.CreatedAccess) error {
	if format.value == "json" {
		return format.write(env.stdout, made, nil)
	}
	_, err := fmt.Fprintln(env.stdout, made.Text)
	fmt.Fprintf(env.stderr, "Access token %s of %s: %s, until %s. It is not shown again.\n",
		made.ID, made.Name, rights(made.AccessToken), made.Expires.UTC().Format(time.RFC3339))
	return err
}

// rights tells in a few words what a token is good for.
func rights(t admin.AccessToken) string {
	text := string(t.Role)
	if t.Team != "" {
		text += " of " + t.Team
	}
	if t.ReadOnly {
		text += ", read only"
	}
	if t.Source != "" {
		text += ", source " + t.Source
	}
	return text
}

func newAccessList(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the access tokens there are, without their secrets",
		Long:    "Lists the access tokens there are, those made last first. When one was used last is told to some minutes.",
		Example: "  gatehouse access list",
		Args:    noWords,
	}
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		tokens, err := client.AccessTokens(c.Context())
		if err != nil {
			return away(err)
		}
		if len(tokens) == 0 && format.value == "table" {
			fmt.Fprintln(env.stderr, "there are no access tokens")
			return nil
		}
		return format.write(env.stdout, tokens, func(w io.Writer) error {
			fmt.Fprintln(w, "TOKEN\tNAME\tRIGHTS\tSTATE\tEXPIRES\tUSED\tBY")
			for _, t := range tokens {
				used := "-"
				if !t.Used.IsZero() {
					used = t.Used.UTC().Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, rights(t), t.State, t.Expires.UTC().Format(time.RFC3339), used, t.Author)
			}
			return nil
		})
	}
	return c
}

func newAccessRotate(env surroundings) *cobra.Command {
	var d daemon
	var overlap, expires time.Duration
	format := newChoice("text", "text", "json")
	c := &cobra.Command{
		Use:   "rotate TOKEN",
		Short: "Make an access token in the place of another, and print it this once",
		Long: `Makes an access token with the name, role and scopes of another, and prints it. The other one
ends at once, or after --overlap.`,
		Example: "  gatehouse access rotate qs4mbtfwz3nnx2eu --overlap 1h",
		Args:    oneToken,
	}
	c.Flags().DurationVar(&overlap, "overlap", 0, "`DURATION` for which the old one is still good, a week at most")
	c.Flags().DurationVar(&expires, "expires", 90*24*time.Hour, "`DURATION` after which the new one is worthless")
	format.add(c, "output", "o", "the token alone, or all about it")
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		made, err := client.RotateAccess(c.Context(), args[0], admin.AccessRotation{Overlap: overlap.String(), Expires: expires.String()})
		if err != nil {
			return away(err)
		}
		return printAccess(env, format, made)
	}
	return c
}

func newAccessRevoke(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:     "revoke TOKEN",
		Short:   "Make an access token worthless, at once",
		Long:    "Makes an access token worthless: at once for the daemon that is asked, within a second for all that share its store.",
		Example: "  gatehouse access revoke qs4mbtfwz3nnx2eu",
		Args:    oneToken,
	}
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		return away(client.RevokeAccess(c.Context(), args[0]))
	}
	return c
}

func newAccessWhoami(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:     "whoami",
		Short:   "Tell who you are for the daemon, and what you may do",
		Long:    "Tells who you are for the daemon, by your user or your token, and with which role.",
		Example: "  gatehouse access whoami",
		Args:    noWords,
	}
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		who, err := client.Caller(c.Context())
		if err != nil {
			return away(err)
		}
		return format.write(env.stdout, who, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s: %s, from %s\n", who.Name,
				rights(admin.AccessToken{Role: who.Role, Team: who.Team, ReadOnly: who.ReadOnly, Source: who.Source}), who.From)
			return err
		})
	}
	return c
}

// oneToken is the argument check of verbs about one access token. Who gives the whole of it is warned before it is in a URL.
func oneToken(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one access token, as \"gatehouse access list\" does")
	}
	if strings.HasPrefix(args[0], admin.TokenPrefix) {
		return errors.New("name the access token by its id, as \"gatehouse access list\" does, not by its secret")
	}
	return nil
}

// oneName is the argument check of verbs that take one word.
func oneName(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errors.New(what)
		}
		return nil
	}
}
