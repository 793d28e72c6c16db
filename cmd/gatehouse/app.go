package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// newApp returns `gatehouse app`.
func newApp(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "app",
		Short: "Make, list, show and revoke applications, which call APIs, and give them plans",
		Long: `An application is who calls APIs: a program, an app, a partner. It belongs to a team, and has
API keys; "gatehouse key" makes these.`,
		Example: `  gatehouse app create till --team payments --owner olga@bank.test
  gatehouse app list`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAppCreate(env), newAppList(env), newAppShow(env), newAppPlan(env), newAppRevoke(env))
	return c
}

// oneApp is the argument check of verbs about one application.
func oneApp() cobra.PositionalArgs {
	return oneName(`name one application, as "gatehouse app list" does`)
}

func newAppCreate(env surroundings) *cobra.Command {
	var d daemon
	var g admin.ApplicationGrant
	c := &cobra.Command{
		Use:   "create APP",
		Short: "Make an application",
		Long: `Makes an application. Its id is used once: also after it is revoked there is no other of that
id. A member of a team makes applications of that team.`,
		Example: `  gatehouse app create till --team payments --owner olga@bank.test --name "Tills of the branches"`,
		Args:    oneName("name the application: lower case letters, digits and hyphens"),
	}
	f := c.Flags()
	f.StringVar(&g.Team, "team", "", "the `TEAM` whose it is; without it a member's own")
	f.StringVar(&g.Owner, "owner", "", "the `PERSON` to ask; without it who makes it")
	f.StringVar(&g.Plan, "plan", "", "the `PLAN` by whose limits its keys call APIs; an operator gives it")
	f.StringVar(&g.Name, "name", "", "`NAME` for people; without it the id")
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		g.ID = args[0]
		made, err := client.CreateApplication(c.Context(), g)
		if err != nil {
			return away(err)
		}
		return format.write(env.stdout, made, func(w io.Writer) error { return applicationTable(w, made) })
	}
	return c
}

func newAppList(env surroundings) *cobra.Command {
	var d daemon
	var q admin.ApplicationQuery
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the applications there are",
		Long:    "Lists the applications there are, by id, with those that are revoked.",
		Example: "  gatehouse app list --team payments",
		Args:    noWords,
	}
	c.Flags().StringVar(&q.Team, "team", "", "only applications of this `TEAM`")
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		all, err := client.Applications(c.Context(), q)
		if err != nil {
			return away(err)
		}
		if len(all) == 0 && format.value == "table" {
			fmt.Fprintln(env.stderr, "there are no applications")
			return nil
		}
		return format.write(env.stdout, all, func(w io.Writer) error { return applicationTable(w, all...) })
	}
	return c
}

// applicationTable prints applications for people.
func applicationTable(w io.Writer, all ...admin.Application) error {
	fmt.Fprintln(w, "APP\tNAME\tTEAM\tOWNER\tPLAN\tSTATE\tCREATED")
	for _, a := range all {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Name, dashed(a.Team), a.Owner, dashed(a.Plan), a.State, a.Created.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	return nil
}

// shownApp is an application with its keys.
type shownApp struct {
	admin.Application

	Keys []admin.APIKey `json:"keys"`
}

func newAppShow(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:               "show APP",
		Short:             "Show an application and its keys",
		Long:              "Shows an application, and its keys without their secrets.",
		Example:           "  gatehouse app show till",
		Args:              oneApp(),
		ValidArgsFunction: completeApps(env),
	}
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		found, err := client.Application(c.Context(), args[0])
		if err != nil {
			return away(err)
		}
		keys, err := client.Keys(c.Context(), admin.KeyQuery{Application: args[0]})
		if err != nil {
			return away(err)
		}
		if format.value != "table" {
			return format.write(env.stdout, shownApp{found, keys}, nil)
		}
		if err := format.write(env.stdout, found, func(w io.Writer) error { return applicationTable(w, found) }); err != nil || len(keys) == 0 {
			return err
		}
		fmt.Fprintln(env.stdout)
		return format.write(env.stdout, keys, func(w io.Writer) error { return keyTable(w, keys) })
	}
	return c
}

func newAppRevoke(env surroundings) *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:               "revoke APP",
		Short:             "End an application with all of its keys, for ever",
		Long:              "Ends an application: all of its keys are worthless within a second on all daemons that share a store.",
		Example:           "  gatehouse app revoke till",
		Args:              oneApp(),
		ValidArgsFunction: completeApps(env),
	}
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		return away(client.RevokeApplication(c.Context(), args[0]))
	}
	return c
}

// completeApps completes the applications that are not revoked.
func completeApps(env surroundings) completion {
	return completing(env, 1, func(ctx context.Context, client *admin.Client) ([]string, error) {
		all, err := client.Applications(ctx, admin.ApplicationQuery{})
		var words []string
		for _, a := range all {
			if a.Revoked.IsZero() {
				words = append(words, cobra.CompletionWithDesc(a.ID, a.Name))
			}
		}
		return words, err
	})
}
